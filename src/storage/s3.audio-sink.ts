import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { AudioSink, FileDescription, NewFile } from './audio-store.js';

const MIB = 2 ** 20;
/** Parts of a file in memory at once. */
const PARTS_AT_ONCE = 2;

/** Where an object is to be, and in what parts it is sent. */
export interface Target {
  client: S3Client;
  Bucket: string;
  Key: string;
  /** Bytes. */
  partSize: number;
}

/** Bytes on their way into an object: one request when they are few, a multipart upload with a checksum for each part else. */
export class S3Sink implements AudioSink {
  private readonly body = new PassThrough({ highWaterMark: MIB });
  private readonly upload: Upload;
  private sent: Promise<unknown> | null = null;
  private failure: Error | null = null;
  private ended = false;
  /** Whether there may be an object by now. */
  private whole = false;

  constructor(
    readonly id: string,
    { client, Bucket, Key, partSize }: Target,
    private readonly file: NewFile,
    private readonly object: {
      describe(metadata: Record<string, unknown>): Promise<void>;
      remove(): Promise<unknown>;
    },
  ) {
    this.upload = new Upload({
      client,
      params: {
        Bucket,
        Key,
        Body: this.body,
        ChecksumAlgorithm: 'SHA256',
        ...(file.description && {
          ContentType: file.description.contentType,
          Metadata: toHeaders(file.description.metadata),
        }),
      },
      partSize,
      queueSize: PARTS_AT_ONCE,
      leavePartsOnError: false,
    });
    // A broken upload is told by the next write, or by `finish`.
    this.body.on('error', () => undefined);
  }

  async write(chunk: Buffer): Promise<void> {
    this.check();
    this.start();
    if (this.body.write(chunk)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.body.off('drain', done).off('close', done);
        resolve();
      };
      this.body.on('drain', done).on('close', done);
    });
    this.check();
  }

  private start(): void {
    this.sent ??= Promise.resolve(this.file.after)
      .then(() => this.upload.done())
      .catch((error: Error) => {
        this.failure ??= error;
        this.body.destroy();
      });
  }

  private check(): void {
    if (this.failure) throw this.failure;
    if (this.ended) throw new Error('The sink was aborted');
  }

  async finish(file: FileDescription): Promise<void> {
    this.check();
    this.start();
    this.body.end();
    this.whole = true;
    await this.sent;
    this.check();
    if (this.file.description) return;
    await this.object.describe({ ...file.metadata, content_type: file.contentType });
  }

  async abort(): Promise<void> {
    this.ended = true;
    this.failure ??= new Error('The sink was aborted');
    await this.upload.abort().catch(() => undefined);
    this.body.destroy();
    await finished(this.body).catch(() => undefined);
    await this.sent;
    if (this.whole) await this.object.remove();
  }
}

/** S3 keeps texts in ASCII under names without underscores (proxies drop those). */
export function toHeaders(metadata: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replaceAll('_', '-'), encodeURIComponent(JSON.stringify(value))]),
  );
}
