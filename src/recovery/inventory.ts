import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { nativeCollection } from '../common/mongo-collection.js';
import { Ledger } from '../uploads/ledger.js';
import type { Upload } from '../uploads/upload.schema.js';

/** A file's document in GridFS, as any service may have written it. */
export interface GridFile {
  _id: mongo.ObjectId;
  /** Bytes. */
  length: number;
  /** Bytes. */
  chunkSize: number;
  uploadDate: Date;
  metadata?: Record<string, unknown>;
}

interface Chunk {
  files_id: mongo.ObjectId;
  n: number;
}

export type HoldingRow = Pick<
  Upload,
  | '_id'
  | 'file_id'
  | 'state'
  | 'audio_state'
  | 'user_id'
  | 'session_id'
  | 'question_id'
  | 'size'
  | 'sha256'
  | 'updated_at'
>;

/** Everything that is known under one file id: its document, how many chunks there are, and the rows that still name it. */
export interface Holding {
  id: mongo.ObjectId;
  file: GridFile | null;
  chunks: number;
  /** Rows whose audio is stored or being deleted. */
  rows: HoldingRow[];
}

const BATCH = 200;
/** For who reads the bytes of each file before the next one: a server forgets a cursor that is left alone for ten minutes. */
export const BATCH_TO_READ = 10;
const FILE_FIELDS = { length: 1, chunkSize: 1, uploadDate: 1, metadata: 1 } as const;
const ROW_FIELDS = {
  file_id: 1,
  state: 1,
  audio_state: 1,
  user_id: 1,
  session_id: 1,
  question_id: 1,
  size: 1,
  sha256: 1,
  updated_at: 1,
} as const;
const NAMED: mongo.Filter<Upload> = { audio_state: { $in: ['stored', 'deleting'] } };

/** Ledger and GridFS side by side, in constant memory: three cursors in the order of the file's id, merged. */
@Injectable()
export class Inventory {
  readonly files: mongo.Collection<GridFile>;
  private readonly chunks: mongo.Collection<Chunk>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly ledger: Ledger,
  ) {
    this.files = nativeCollection<GridFile>(connection, 'fs.files');
    this.chunks = nativeCollection<Chunk>(connection, 'fs.chunks');
  }

  /**
   * Every file id there is anywhere, once, in order. The three are not of one moment: what looks wrong is a suspicion, to be
   * confirmed by `look`.
   *
   * @param toRead whether whoever asks reads each file's bytes on the way
   */
  async *all(toRead = false): AsyncGenerator<Holding> {
    const batchSize = toRead ? BATCH_TO_READ : BATCH;
    const files = new Sorted(
      this.files.find({}, { projection: FILE_FIELDS, sort: { _id: 1 }, batchSize }) as AsyncIterable<GridFile>,
      (file) => file._id,
    );
    const chunks = new Sorted(
      this.chunks.find(
        {},
        { projection: { _id: 0, files_id: 1, n: 1 }, sort: { files_id: 1, n: 1 }, batchSize: batchSize * 10 },
      ) as AsyncIterable<Chunk>,
      (chunk) => chunk.files_id,
    );
    const rows = new Sorted(
      this.ledger.rows.find(NAMED, {
        projection: ROW_FIELDS,
        sort: { file_id: 1 },
        batchSize,
      }) as AsyncIterable<HoldingRow>,
      (row) => row.file_id,
    );
    try {
      for (;;) {
        const next = [await files.id(), await chunks.id(), await rows.id()].filter((id) => id !== null).sort()[0];
        if (next === undefined) return;
        const holding: Holding = { id: new mongo.ObjectId(next), file: null, chunks: 0, rows: [] };
        for (; (await files.id()) === next; files.take()) holding.file = files.head;
        for (; (await chunks.id()) === next; chunks.take()) holding.chunks += 1;
        for (; (await rows.id()) === next; rows.take()) if (rows.head) holding.rows.push(rows.head);
        yield holding;
      }
    } finally {
      await Promise.all([files.close(), chunks.close(), rows.close()]);
    }
  }

  /** One file id as it is now. Rows first: whoever takes a row away takes its file away before. */
  async look(id: mongo.ObjectId): Promise<Holding> {
    const rows = await this.ledger.rows
      .find({ file_id: id, ...NAMED })
      .project<HoldingRow>(ROW_FIELDS)
      .toArray();
    const file = await this.files.findOne<GridFile>({ _id: id }, { projection: FILE_FIELDS });
    return { id, file, chunks: await this.chunks.countDocuments({ files_id: id }), rows };
  }

  /** The row that a file says it belongs to, whatever that row thinks of it. */
  async rowOf(file: GridFile): Promise<Upload | null> {
    const id = uploadIdOf(file);
    return id === null ? null : this.ledger.find(id);
  }
}

/** Id of the row that wrote a file; null for a file of another service. */
export function uploadIdOf(file: GridFile): string | null {
  const id = file.metadata?.['upload_id'];
  return typeof id === 'string' && mongo.ObjectId.isValid(id) ? id : null;
}

/** Whether every chunk is there that the file's length asks for. */
export function isWhole({ file, chunks }: Holding): boolean {
  return file !== null && chunks === Math.ceil(file.length / file.chunkSize);
}

/** A cursor with a look at its head. Ids that are no ObjectIds are another bucket user's and passed over. */
class Sorted<T> {
  head: T | null = null;
  private readonly iterator: AsyncIterator<T>;

  constructor(
    items: AsyncIterable<T>,
    private readonly idOf: (item: T) => mongo.ObjectId | null,
  ) {
    this.iterator = items[Symbol.asyncIterator]();
  }

  /** The head's id in hex, whose order is that of the ids; null at the end. */
  async id(): Promise<string | null> {
    for (;;) {
      if (this.head !== null) {
        const id = this.idOf(this.head);
        if (id instanceof mongo.ObjectId) return id.toHexString();
      }
      const next = await this.iterator.next();
      if (next.done) return (this.head = null);
      this.head = next.value;
    }
  }

  take(): void {
    this.head = null;
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }
}
