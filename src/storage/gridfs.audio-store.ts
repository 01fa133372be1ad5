import { Readable } from 'node:stream';
import type { OnModuleInit } from '@nestjs/common';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { NotFoundError } from '../common/app-error.js';
import { Gate } from '../common/gate.js';
import { GroupCommit } from '../common/group-commit.js';
import { grouped } from '../common/grouped.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { AudioStore } from './audio-store.js';
import type { AudioSink, FileDescription, StoredAudio } from './audio-store.js';

/** Bytes of a stored chunk: four times fewer round trips and index entries than the GridFS default of 255 KiB. */
const CHUNK_SIZE = 1 << 20;
/** Chunks that an upload has on their way to MongoDB, while it fills the next. */
const LANES = 2;
/** Full chunks on their way at once, over all uploads: the driver copies each twice, and garbage of that size is costly. */
const CHUNKS_UNDER_WAY = 8;
/** Buffers that are kept for the next upload. */
const SPARE_BUFFERS = 16;

interface Chunk {
  files_id: mongo.ObjectId;
  n: number;
  data: mongo.Binary;
}

interface GridFile {
  _id: mongo.ObjectId;
  length: number;
  chunkSize: number;
  uploadDate: Date;
  filename: string;
  metadata: Record<string, unknown>;
}

/** Audio in a GridFS bucket, readable by any GridFS driver: `fs`, the landing zone of all audio, and `archive`, what is kept. */
export class GridFsAudioStore extends AudioStore implements OnModuleInit {
  private readonly files: mongo.Collection<GridFile>;
  private readonly chunks: mongo.Collection<Chunk>;
  private readonly gate = new Gate(CHUNKS_UNDER_WAY);
  private readonly spare: Buffer[] = [];
  private readonly descriptions: GroupCommit<GridFile>;
  private readonly describe = grouped((ids: readonly mongo.ObjectId[]) => this.describeAll(ids));

  constructor(connection: Connection, bucket = 'fs') {
    super();
    this.files = nativeCollection<GridFile>(connection, `${bucket}.files`);
    this.chunks = nativeCollection<Chunk>(connection, `${bucket}.chunks`);
    this.descriptions = new GroupCommit(this.files);
  }

  async onModuleInit(): Promise<void> {
    await this.chunks.createIndex({ files_id: 1, n: 1 }, { unique: true });
    await this.files.createIndex({ filename: 1, uploadDate: 1 });
    await this.files.createIndex({ uploadDate: 1 });
  }

  create(id?: string): AudioSink {
    return new GridFsSink(this.files, this.descriptions, this.chunks, this.gate, this.spare, new mongo.ObjectId(id));
  }

  open(id: string, range?: { start: number; end: number }): Readable {
    return Readable.from(this.read(new mongo.ObjectId(id), range), { objectMode: false, highWaterMark: CHUNK_SIZE });
  }

  private async *read(id: mongo.ObjectId, range?: { start: number; end: number }): AsyncGenerator<Buffer> {
    const start = range?.start ?? 0;
    const chunksFrom = (n: number) =>
      this.chunks.find({ files_id: id, n: { $gte: n } }, { sort: { n: 1 }, batchSize: 4 });
    // From the start is where nearly all read: the first chunks come together with the file's description.
    let cursor = start === 0 ? chunksFrom(0) : null;
    try {
      const [file] = await Promise.all([this.describe(id), cursor?.hasNext()]);
      if (!file) throw new NotFoundError('Audio');
      const end = Math.min(range?.end ?? file.length, file.length);
      if (start >= end) return;
      const first = Math.floor(start / file.chunkSize);
      cursor ??= chunksFrom(first);
      let expected = first;
      for await (const chunk of cursor) {
        if (chunk.n !== expected) break;
        const offset = chunk.n * file.chunkSize;
        const bytes = Buffer.from(chunk.data.buffer.buffer, chunk.data.buffer.byteOffset, chunk.data.length());
        yield bytes.subarray(Math.max(0, start - offset), Math.min(bytes.length, end - offset));
        expected += 1;
        if (offset + file.chunkSize >= end) return;
      }
      throw new NotFoundError(`Chunk ${expected} of audio ${id.toHexString()}`);
    } finally {
      await cursor?.close();
    }
  }

  private async describeAll(ids: readonly mongo.ObjectId[]): Promise<(GridFile | null)[]> {
    if (ids.length === 1) return [await this.files.findOne({ _id: ids[0]! })];
    const files = new Map<string, GridFile>();
    for await (const file of this.files.find({ _id: { $in: [...ids] } })) files.set(file._id.toHexString(), file);
    return ids.map((id) => files.get(id.toHexString()) ?? null);
  }

  async stat(id: string): Promise<StoredAudio | null> {
    const file = await this.files.findOne({ _id: new mongo.ObjectId(id) });
    return file && { id, size: file.length, uploadedAt: file.uploadDate, metadata: file.metadata ?? {} };
  }

  async annotate(id: string, metadata: Record<string, unknown>): Promise<boolean> {
    const set = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]));
    const { matchedCount } = await this.files.updateOne({ _id: new mongo.ObjectId(id) }, { $set: set });
    return matchedCount === 1;
  }

  async delete(id: string): Promise<boolean> {
    const fileId = new mongo.ObjectId(id);
    // Chunks last would leave bytes that no file names if the process dies in between; chunks first leaves a file that
    // the sweep still finds and deletes again.
    await this.chunks.deleteMany({ files_id: fileId });
    const { deletedCount } = await this.files.deleteOne({ _id: fileId });
    return deletedCount === 1;
  }

  override async deleteAll(ids: readonly string[]): Promise<void> {
    const fileIds = ids.map((id) => new mongo.ObjectId(id));
    await this.chunks.deleteMany({ files_id: { $in: fileIds } });
    await this.files.deleteMany({ _id: { $in: fileIds } });
  }

  async check(): Promise<void> {
    await this.files.findOne({}, { projection: { _id: 1 } });
  }

  async *listOlderThan(cutoff: Date): AsyncGenerator<StoredAudio> {
    for await (const file of this.files.find(
      { uploadDate: { $lt: cutoff } },
      { sort: { uploadDate: 1 }, batchSize: 100 },
    )) {
      yield {
        id: file._id.toHexString(),
        size: file.length,
        uploadedAt: file.uploadDate,
        metadata: file.metadata ?? {},
      };
    }
  }
}

/** One pass from the socket into `fs.chunks`: fills 1 MiB buffers, writes two at a time, reuses them. */
class GridFsSink implements AudioSink {
  readonly id: string;
  private readonly loose: Buffer[] = [];
  private looseBytes = 0;
  private length = 0;
  private count = 0;
  private readonly lanes: Promise<void>[] = Array.from({ length: LANES }, () => Promise.resolve());
  private described: Promise<unknown> = Promise.resolve();
  private failure: Error | undefined;
  private aborted = false;

  constructor(
    private readonly files: mongo.Collection<GridFile>,
    private readonly descriptions: GroupCommit<GridFile>,
    private readonly chunks: mongo.Collection<Chunk>,
    private readonly gate: Gate,
    private readonly spare: Buffer[],
    private readonly fileId: mongo.ObjectId,
  ) {
    this.id = fileId.toHexString();
  }

  async write(bytes: Buffer): Promise<void> {
    this.check();
    this.length += bytes.length;
    let rest = bytes;
    while (this.looseBytes + rest.length >= CHUNK_SIZE) {
      const take = CHUNK_SIZE - this.looseBytes;
      this.hold(rest.subarray(0, take));
      await this.send();
      rest = rest.subarray(take);
    }
    if (rest.length > 0) this.hold(rest);
  }

  private check(): void {
    if (this.failure) throw this.failure;
  }

  private hold(piece: Buffer): void {
    this.loose.push(piece);
    this.looseBytes += piece.length;
  }

  /** Starts writing what is held as the next chunk, once the lane is free. */
  private async send(): Promise<void> {
    const n = this.count++;
    const lane = n % LANES;
    await this.lanes[lane];
    this.check();
    const isFull = this.looseBytes === CHUNK_SIZE;
    const buffer = this.spare.pop() ?? Buffer.allocUnsafeSlow(this.looseBytes);
    let size = 0;
    for (const piece of this.loose) size += piece.copy(buffer, size);
    this.loose.length = 0;
    this.looseBytes = 0;
    const chunk = { files_id: this.fileId, n, data: new mongo.Binary(buffer.subarray(0, size)) };
    const insert = () => this.chunks.insertOne(chunk);
    // What is less than a chunk comes from small uploads: they do not queue up behind large ones.
    this.lanes[lane] = (isFull ? this.gate.run(insert) : insert()).then(
      () => {
        if (buffer.length === CHUNK_SIZE && this.spare.length < SPARE_BUFFERS) this.spare.push(buffer);
      },
      (error: Error) => {
        this.failure = error;
      },
    );
  }

  async finish(file: FileDescription): Promise<void> {
    if (this.looseBytes > 0) await this.send();
    this.check();
    if (this.aborted) throw new Error('The sink was aborted');
    // Beside the last chunks, not after them: the ledger row is committed only once both are durable.
    this.described = this.descriptions.insert({
      _id: this.fileId,
      length: this.length,
      chunkSize: CHUNK_SIZE,
      uploadDate: new Date(),
      filename: file.filename,
      metadata: { ...file.metadata, content_type: file.contentType },
    });
    await Promise.all([...this.lanes, this.described]);
    this.check();
  }

  async abort(): Promise<void> {
    this.aborted = true;
    this.failure ??= new Error('The sink was aborted');
    await Promise.all(this.lanes);
    await this.described.catch(() => undefined);
    await this.chunks.deleteMany({ files_id: this.fileId });
    await this.files.deleteOne({ _id: this.fileId });
  }
}
