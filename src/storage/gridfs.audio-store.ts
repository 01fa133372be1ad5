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
import type { AudioSink, NewFile, StoredAudio } from './audio-store.js';
import { CHUNK_SIZE, ChunkBuffers } from './chunk-buffers.js';
import { GridFsSink } from './gridfs.audio-sink.js';
import type { Chunk, GridFile } from './gridfs.audio-sink.js';
import { YoungGarbage } from './young-garbage.js';

/** Bytes from the start that are one chunk, if we wrote it, and are read in one command with those of other files. */
const FEW_BYTES = 512 * 1024;
const READ_TOGETHER = 8;
/** Full chunks on their way at once, over all uploads: the driver copies each twice, and garbage of that size is costly. */
const CHUNKS_UNDER_WAY = 6;

/** Audio in a GridFS bucket, readable by any GridFS driver: `fs`, the landing zone of all audio, and `archive`, what is kept. */
export class GridFsAudioStore extends AudioStore implements OnModuleInit {
  private readonly files: mongo.Collection<GridFile>;
  private readonly chunks: mongo.Collection<Chunk>;
  private readonly gate = new Gate(CHUNKS_UNDER_WAY);
  private readonly buffers = new ChunkBuffers();
  private readonly garbage = new YoungGarbage();
  private readonly descriptions: GroupCommit<GridFile>;
  private readonly describe = grouped((ids: readonly mongo.ObjectId[]) => this.describeAll(ids));
  private readonly first = grouped((ids: readonly mongo.ObjectId[]) => this.firstOfAll(ids), READ_TOGETHER);

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

  create(id?: string, { after }: NewFile = {}): AudioSink {
    const { files, descriptions, chunks, gate, buffers, garbage } = this;
    return new GridFsSink(files, descriptions, chunks, gate, buffers, garbage, new mongo.ObjectId(id), after);
  }

  open(id: string, range?: { start: number; end: number }): Readable {
    return Readable.from(this.read(new mongo.ObjectId(id), range), { objectMode: false, highWaterMark: CHUNK_SIZE });
  }

  private async *read(id: mongo.ObjectId, range?: { start: number; end: number }): AsyncGenerator<Buffer> {
    const start = range?.start ?? 0;
    // From the start is where nearly all read: what a file is like matters only if its chunks end before the range does.
    const about = start > 0 || !range ? await this.described(id) : null;
    const size = about?.chunkSize ?? CHUNK_SIZE;
    const end = Math.min(range?.end ?? Infinity, about?.length ?? Infinity);
    let at = start;
    if (at >= end) return;
    let expected = Math.floor(start / size);
    for await (const chunk of this.chunksFrom(id, expected, end <= FEW_BYTES)) {
      if (chunk.n !== expected) break;
      const bytes = Buffer.from(chunk.data.buffer.buffer, chunk.data.buffer.byteOffset, chunk.data.length());
      const from = about ? at - expected * size : 0;
      const piece = bytes.subarray(from, from + end - at);
      at += piece.length;
      this.garbage.count(piece.length);
      yield piece;
      if (at >= end) break;
      expected += 1;
    }
    if (at < end && at < (about ?? (await this.described(id))).length)
      throw new NotFoundError(`Chunk ${expected} of audio ${id.toHexString()}`);
  }

  /** @param few whether the first one is likely all that is wanted */
  private async *chunksFrom(id: mongo.ObjectId, n: number, few: boolean): AsyncGenerator<Chunk> {
    let next = n;
    if (few && n === 0) {
      const chunk = await this.first(id);
      if (!chunk) return;
      yield chunk;
      next = 1;
    }
    yield* this.chunks.find({ files_id: id, n: { $gte: next } }, { sort: { n: 1 }, batchSize: 4 });
  }

  private async firstOfAll(ids: readonly mongo.ObjectId[]): Promise<(Chunk | null)[]> {
    if (ids.length === 1) return [await this.chunks.findOne({ files_id: ids[0]!, n: 0 })];
    const chunks = new Map<string, Chunk>();
    // One more than there are: a batch that is full might not be all, and would be asked for the rest.
    const all = { batchSize: ids.length + 1 };
    for await (const chunk of this.chunks.find({ files_id: { $in: [...ids] }, n: 0 }, all))
      chunks.set(chunk.files_id.toHexString(), chunk);
    return ids.map((id) => chunks.get(id.toHexString()) ?? null);
  }

  private async described(id: mongo.ObjectId): Promise<GridFile> {
    const file = await this.describe(id);
    if (!file) throw new NotFoundError('Audio');
    return file;
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

  async *listOlderThan(cutoff: Date, under = ''): AsyncGenerator<StoredAudio> {
    for await (const file of this.files.find(
      { uploadDate: { $lt: cutoff } },
      { sort: { uploadDate: 1 }, batchSize: 100 },
    )) {
      const id = file._id.toHexString();
      if (!id.startsWith(under)) continue;
      yield {
        id,
        size: file.length,
        uploadedAt: file.uploadDate,
        metadata: file.metadata ?? {},
      };
    }
  }
}
