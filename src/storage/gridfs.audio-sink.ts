import { mongo } from 'mongoose';
import type { Gate } from '../common/gate.js';
import type { GroupCommit } from '../common/group-commit.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import type { AudioSink, FileDescription } from './audio-store.js';
import { CHUNK_SIZE, SMALL } from './chunk-buffers.js';
import type { ChunkBuffers } from './chunk-buffers.js';
import type { YoungGarbage } from './young-garbage.js';

/** Chunks that an upload has on their way to MongoDB, while it fills the next. */
const LANES = 2;

export interface Chunk {
  _id: mongo.ObjectId;
  files_id: mongo.ObjectId;
  n: number;
  data: mongo.Binary;
}

export interface GridFile {
  _id: mongo.ObjectId;
  length: number;
  chunkSize: number;
  uploadDate: Date;
  filename: string;
  metadata: Record<string, unknown>;
}

/**
 * One pass from the socket into `fs.chunks`. What comes is copied into a chunk's buffer at once: pieces that are held until there is
 * enough of them grow old, and old garbage is collected late.
 */
export class GridFsSink implements AudioSink {
  readonly id: string;
  /** The chunk that is being filled. */
  private filling: Buffer | null = null;
  private filled = 0;
  private length = 0;
  private count = 0;
  private readonly underWay = new Set<Promise<void>>();
  private described: Promise<unknown> = Promise.resolve();
  private failure: Error | undefined;

  constructor(
    private readonly files: mongo.Collection<GridFile>,
    private readonly descriptions: GroupCommit<GridFile>,
    private readonly chunks: mongo.Collection<Chunk>,
    private readonly gate: Gate,
    private readonly buffers: ChunkBuffers,
    private readonly garbage: YoungGarbage,
    private readonly fileId: mongo.ObjectId,
    private readonly after: Promise<unknown> = Promise.resolve(),
  ) {
    this.id = fileId.toHexString();
  }

  async write(bytes: Buffer): Promise<void> {
    this.check();
    this.garbage.count(bytes.length);
    this.length += bytes.length;
    let rest = bytes;
    while (rest.length > 0) {
      const buffer = this.room();
      const taken = rest.copy(buffer, this.filled);
      this.filled += taken;
      rest = rest.subarray(taken);
      if (this.filled === CHUNK_SIZE) await this.sendFull();
    }
  }

  /** A buffer that is not full: a small one for the first bytes, until they outgrow it. */
  private room(): Buffer {
    const small = this.filling;
    if (small && this.filled < small.length) return small;
    this.filling = this.buffers.take(small || this.count > 0 ? CHUNK_SIZE : SMALL);
    if (small) {
      small.copy(this.filling);
      this.buffers.giveBack(small);
    }
    return this.filling;
  }

  private check(): void {
    if (this.failure) throw this.failure;
  }

  /** Starts writing the full chunk once there is a place for it. Until then nothing more is taken: that is the back-pressure. */
  private async sendFull(): Promise<void> {
    const buffer = this.filling!;
    const place = this.gate.enter();
    if (place) await place;
    if (this.failure) this.gate.leave();
    this.check();
    this.filling = null;
    this.filled = 0;
    this.send(buffer, () => {
      this.gate.leave();
      this.buffers.giveBack(buffer);
    });
    if (this.underWay.size >= LANES) await Promise.race(this.underWay);
    this.check();
  }

  private send(bytes: Buffer, over: () => void): void {
    const chunk = { _id: new mongo.ObjectId(), files_id: this.fileId, n: this.count++, data: new mongo.Binary(bytes) };
    const written: Promise<void> = this.after
      .then(() => {
        this.check();
        return this.chunks.insertOne(chunk);
      })
      .then(
        () => undefined,
        async (error: Error) => {
          if (!(await this.isThere(chunk._id, error).catch(() => false))) this.failure = error;
        },
      )
      .then(() => {
        this.underWay.delete(written);
        over();
      });
    this.underWay.add(written);
  }

  /** The driver has sent it again, to a MongoDB that had it. */
  private async isThere(_id: mongo.ObjectId, fault: Error): Promise<boolean> {
    return isDuplicateKey(fault) && (await this.chunks.findOne({ _id }, { projection: { _id: 1 } })) !== null;
  }

  async finish(file: FileDescription): Promise<void> {
    this.check();
    const { filling, filled } = this;
    // It goes back to the spare ones when it is written. Were it still ours then, `abort` would give it back once more, and two
    // chunks would be filled in one buffer.
    this.filling = null;
    this.filled = 0;
    if (filling) this.send(filling.subarray(0, filled), () => this.buffers.giveBack(filling));
    // Beside the last chunks, not after them: the ledger row is committed only once both are durable.
    const description = {
      _id: this.fileId,
      length: this.length,
      chunkSize: CHUNK_SIZE,
      uploadDate: new Date(),
      filename: file.filename,
      metadata: { ...file.metadata, content_type: file.contentType },
    };
    this.described = this.after.then(() => this.descriptions.insert(description));
    await Promise.all([...this.underWay, this.described]);
    this.check();
  }

  async abort(): Promise<void> {
    this.failure ??= new Error('The sink was aborted');
    await Promise.all(this.underWay);
    if (this.filling) this.buffers.giveBack(this.filling);
    this.filling = null;
    await this.described.catch(() => undefined);
    await this.chunks.deleteMany({ files_id: this.fileId });
    await this.files.deleteOne({ _id: this.fileId });
  }
}
