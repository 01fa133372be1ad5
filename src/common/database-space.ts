import type { Connection } from 'mongoose';

/** Of the disk that MongoDB keeps its data on. */
export interface DatabaseSpace {
  /** Bytes. */
  free: number;
  /** Bytes. */
  size: number;
}

/** Null where the engine cannot say. Rejects with whatever MongoDB fails with. */
export async function databaseSpace(connection: Connection): Promise<DatabaseSpace | null> {
  const stats = await connection.db?.stats();
  const [size, used] = [Number(stats?.['fsTotalSize']), Number(stats?.['fsUsedSize'])];
  return size > 0 && used >= 0 ? { free: size - used, size } : null;
}
