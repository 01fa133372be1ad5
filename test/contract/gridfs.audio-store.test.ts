import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { jest } from '@jest/globals';
import mongoose, { type Connection, mongo } from 'mongoose';
import type { AudioStore } from '../../src/storage/audio-store.js';
import { GridFsAudioStore } from '../../src/storage/gridfs.audio-store.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';
import { audioStoreContract, put } from './audio-store.contract.js';

const MIB = 2 ** 20;
const FILE = { filename: 's_q1', contentType: 'audio/webm', metadata: {} };

let connection: Connection;

async function make(): Promise<AudioStore> {
  connection = await mongoose
    .createConnection(testMongoUri(), { dbName: uniqueDatabase(), monitorCommands: true })
    .asPromise();
  const store = new GridFsAudioStore(connection);
  await store.onModuleInit();
  return store;
}

async function close(): Promise<void> {
  await connection.dropDatabase();
  await connection.close();
}

audioStoreContract('GridFS', { make, close });

describe('the GridFS store', () => {
  let store: AudioStore;
  beforeAll(async () => {
    store = await make();
  });
  afterAll(close);

  const chunks = () => connection.db!.collection('fs.chunks');
  const chunksOf = (id: string) => chunks().countDocuments({ files_id: new mongo.ObjectId(id) });

  it('writes files that any GridFS driver reads, and reads those that others wrote', async () => {
    const bytes = randomBytes(3 * MIB + 7);
    const bucket = new mongo.GridFSBucket(connection.db!);
    const id = await put(store, bytes);
    expect((await buffer(bucket.openDownloadStream(new mongo.ObjectId(id)))).equals(bytes)).toBe(true);

    const upload = bucket.openUploadStream('theirs', { metadata: { of: 'others' } });
    await new Promise((resolve, reject) => upload.on('finish', resolve).on('error', reject).end(bytes));
    const theirs = upload.id.toHexString();
    expect((await buffer(store.open(theirs))).equals(bytes)).toBe(true);
    const part = await buffer(store.open(theirs, { start: 300_000, end: 900_001 }));
    expect(part.equals(bytes.subarray(300_000, 900_001))).toBe(true);
  });

  it('leaves no chunk behind a file that was aborted or deleted', async () => {
    const aborted = store.create();
    await aborted.write(randomBytes(7 * MIB));
    await aborted.abort();
    const deleted = await put(store, randomBytes(7 * MIB));
    await store.delete(deleted);
    expect([await chunksOf(aborted.id), await chunksOf(deleted)]).toEqual([0, 0]);
  });

  it.each([0, 1, 2])('fails the stream, and does not end it, where chunk %i is missing', async (n) => {
    const id = await put(store, randomBytes(2 * MIB + 5));
    await chunks().deleteOne({ files_id: new mongo.ObjectId(id), n });
    await expect(buffer(store.open(id))).rejects.toThrow(`Chunk ${n}`);
    // By whoever knows how long the file is, too.
    await expect(buffer(store.open(id, { start: 0, end: 2.5 * 2 ** 20 }))).rejects.toThrow(`Chunk ${n}`);
    await store.delete(id);
  });

  it('reads small files that are asked for together in a few commands, and each as if it were alone', async () => {
    const files = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const bytes = randomBytes(1000 + index);
        return { id: await put(store, bytes), bytes };
      }),
    );
    const gone = files[7]!;
    await store.delete(gone.id);
    const finds: unknown[] = [];
    const count = ({ command }: { command: { find?: string } }) => {
      if (command.find === 'fs.chunks') finds.push(command);
    };
    connection.getClient().on('commandStarted', count);
    const read = await Promise.allSettled(
      files.map(({ id, bytes }) => buffer(store.open(id, { start: 0, end: bytes.length }))),
    );
    connection.getClient().off('commandStarted', count);
    read.forEach((result, index) => {
      const { id, bytes } = files[index]!;
      if (id === gone.id) expect(result).toMatchObject({ status: 'rejected', reason: { message: 'Audio not found' } });
      else expect((result as PromiseFulfilledResult<Buffer>).value.equals(bytes)).toBe(true);
    });
    expect(finds.length).toBeGreaterThan(0);
    expect(finds.length).toBeLessThan(10);
  });

  it('reads the beginning of a file with smaller chunks, as another driver wrote it, to its end', async () => {
    const bytes = randomBytes(400_000);
    const upload = new mongo.GridFSBucket(connection.db!).openUploadStream('theirs', { chunkSizeBytes: 100_000 });
    await new Promise((resolve, reject) => upload.on('finish', resolve).on('error', reject).end(bytes));
    const read = await buffer(store.open(upload.id.toHexString(), { start: 0, end: bytes.length }));
    expect(read.equals(bytes)).toBe(true);
  });

  it('sends not one chunk before it may', async () => {
    let inserts = 0;
    const count = ({ command }: { command: { insert?: string } }) => {
      if (command.insert === 'fs.chunks') inserts += 1;
    };
    let mayNow!: () => void;
    const sink = store.create(undefined, { after: new Promise<void>((resolve) => (mayNow = resolve)) });
    connection.getClient().on('commandStarted', count);
    await sink.write(randomBytes(MIB + MIB / 2));
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(inserts).toBe(0);
    mayNow();
    await sink.finish(FILE);
    connection.getClient().off('commandStarted', count);
    expect(inserts).toBe(2);
  });

  it('removes the chunks of a file whose description was never written', async () => {
    const sink = store.create();
    await sink.write(randomBytes(5 * MIB));
    expect(await store.delete(sink.id)).toBe(false);
    await sink.abort();
    expect(await chunksOf(sink.id)).toBe(0);
  });

  it('gives back what it took, byte for byte, after a file whose end failed: no two chunks share a buffer', async () => {
    const circle: Record<string, unknown> = {};
    circle['itself'] = circle;
    const failed = store.create();
    await failed.write(randomBytes(MIB + MIB / 2));
    await expect(failed.finish({ ...FILE, metadata: circle })).rejects.toThrow();
    await failed.abort();
    const files = [1, 2, 3, 4].map(() => randomBytes(3 * MIB + 7));
    const ids = await Promise.all(files.map((bytes) => put(store, bytes)));
    for (const [index, id] of ids.entries()) {
      expect((await buffer(store.open(id))).equals(files[index]!)).toBe(true);
      await store.delete(id);
    }
  });

  it('holds the writer back while MongoDB does not keep up, at a few mebibytes', async () => {
    const collection = Object.getPrototypeOf(chunks()) as mongo.Collection;
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with a `this` of its own below
    const insertOne = collection.insertOne;
    const slow = jest.spyOn(collection, 'insertOne').mockImplementation(async function (
      this: mongo.Collection,
      ...args: Parameters<typeof insertOne>
    ) {
      await gate;
      return insertOne.apply(this, args);
    });
    try {
      const sink = store.create();
      const piece = randomBytes(MIB);
      let accepted = 0;
      const writing = (async () => {
        for (let i = 0; i < 20; i++) {
          await sink.write(piece);
          accepted += 1;
        }
      })();
      // Whatever could be taken without waiting for MongoDB has been, once the event loop has turned a few times.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(accepted).toBeLessThanOrEqual(5);
      release();
      await writing;
      await sink.finish(FILE);
      expect((await store.stat(sink.id))?.size).toBe(20 * MIB);
    } finally {
      release();
      slow.mockRestore();
    }
  });

  it('tells the writer when MongoDB refuses a chunk, and cleans up after it', async () => {
    const id = new mongo.ObjectId();
    // The place of the second chunk is taken: the unique index refuses it.
    await chunks().insertOne({ files_id: id, n: 1, data: new mongo.Binary(Buffer.from('x')) });
    const sink = store.create(id.toHexString());
    const write = async () => {
      for (let i = 0; i < 20; i++) await sink.write(randomBytes(MIB));
      await sink.finish(FILE);
    };
    await expect(write()).rejects.toThrow(/duplicate key/i);
    await sink.abort();
    expect(await chunksOf(sink.id)).toBe(0);
    expect(await store.stat(sink.id)).toBeNull();
  });
});
