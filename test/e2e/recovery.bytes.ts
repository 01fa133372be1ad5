import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { mongo } from 'mongoose';
import { eventually } from '../support/service.js';

const LONG_AGO_MS = 2 * 3_600_000;

/** An id that was made so long ago that what bears it cannot be under way. */
export const oldId = (): mongo.ObjectId =>
  mongo.ObjectId.createFromTime(Math.floor((Date.now() - LONG_AGO_MS) / 1000) + Math.floor(Math.random() * 1000));

/** Puts a file into the bucket as another program would, long ago. */
export async function plantFile(
  db: mongo.Db,
  metadata: Record<string, unknown>,
  bytes: Buffer = Buffer.alloc(300_000, 7),
): Promise<mongo.ObjectId> {
  const upload = new mongo.GridFSBucket(db).openUploadStreamWithId(new mongo.ObjectId(), 'planted', { metadata });
  await pipeline(Readable.from([bytes]), upload);
  const uploadDate = new Date(Date.now() - LONG_AGO_MS);
  await db.collection('fs.files').updateOne({ _id: upload.id }, { $set: { uploadDate } });
  return upload.id;
}

/** Puts chunks there whose file was never described. */
export async function plantChunks(db: mongo.Db, count = 3): Promise<mongo.ObjectId> {
  const files_id = oldId();
  const chunks = Array.from({ length: count }, (_, n) => ({ files_id, n, data: new mongo.Binary(Buffer.alloc(500)) }));
  await db.collection('fs.chunks').insertMany(chunks);
  return files_id;
}

/** Makes a row look as if nothing had happened to it for two hours. */
export async function age(db: mongo.Db, uploadId: string, set: Record<string, unknown> = {}): Promise<void> {
  const _id = new mongo.ObjectId(uploadId);
  const updated_at = new Date(Date.now() - LONG_AGO_MS);
  await db.collection('uploads').updateOne({ _id }, { $set: { updated_at, ...set } });
}

export const longAgo = (): Date => new Date(Date.now() - LONG_AGO_MS);

/** Resolves when the mark is gone by which the sweep would finish the request: it goes a moment after the answer. */
export async function isLinked(db: mongo.Db, uploadId: string): Promise<void> {
  await eventually(async () => {
    const row = await db.collection('uploads').findOne({ _id: new mongo.ObjectId(uploadId) });
    if (row?.['link_due']) throw new Error(`${uploadId} is marked as not linked`);
  });
}
