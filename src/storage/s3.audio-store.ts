import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import type { HeadObjectCommandOutput, ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { NotFoundError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { AudioStore } from './audio-store.js';
import type { AudioSink, FileDescription, StoredAudio } from './audio-store.js';

const MIB = 2 ** 20;
/** With the SDK's backoff: a bucket that says SlowDown is asked again after up to some seconds. */
const TRIES = 5;
const CONNECT_TIMEOUT_MS = 5000;
/** Without a byte. */
const IDLE_TIMEOUT_MS = 60_000;
/** Parts of a file in memory at once. */
const PARTS_AT_ONCE = 2;

const AWAY_STATUS = new Set([401, 403, 404, 408, 429]);
const AWAY_NAMES = new Set(['TimeoutError', 'CredentialsProviderError', 'NoSuchBucket']);
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Audio as objects of a bucket (AWS S3, R2, MinIO); an id is the object's key after the prefix. */
export class S3AudioStore extends AudioStore {
  private readonly client: S3Client;
  private readonly bucket: string;
  private readonly prefix: string;
  private readonly partSize: number;

  constructor(config: Config) {
    super();
    const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = config;
    this.bucket = config.S3_BUCKET ?? '';
    this.prefix = config.S3_PREFIX;
    this.partSize = config.S3_PART_SIZE_MB * MIB;
    this.client = new S3Client({
      region: config.S3_REGION,
      forcePathStyle: config.S3_FORCE_PATH_STYLE,
      maxAttempts: TRIES,
      retryMode: 'adaptive',
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
      ...(config.S3_ENDPOINT === null ? {} : { endpoint: config.S3_ENDPOINT }),
      ...(accessKeyId === null || secretAccessKey === null ? {} : { credentials: { accessKeyId, secretAccessKey } }),
    });
  }

  create(id?: string, description?: FileDescription): AudioSink {
    // Made-up keys are listed in the order of their time.
    const key = id ?? Date.now().toString(16).padStart(12, '0') + randomBytes(6).toString('hex');
    const target = { client: this.client, ...this.object(key), partSize: this.partSize };
    return new S3Sink(key, target, description, {
      describe: (metadata) => this.replaceMetadata(key, metadata),
      remove: () => this.delete(key),
    });
  }

  open(id: string, range?: { start: number; end: number }): Readable {
    return Readable.from(this.read(id, range), { objectMode: false });
  }

  private async *read(id: string, range?: { start: number; end: number }): AsyncGenerator<Uint8Array> {
    if (range && range.start >= range.end) return;
    // HTTP ranges hold their last byte.
    const header = range ? { Range: `bytes=${range.start}-${range.end - 1}` } : {};
    const { Body } = await this.client
      .send(new GetObjectCommand({ ...this.object(id), ...header }))
      .catch((error: unknown) => {
        if (statusOf(error) === 416) return { Body: undefined };
        throw isMissing(error) ? new NotFoundError('Audio') : error;
      });
    if (Body) yield* Body as Readable;
  }

  async stat(id: string): Promise<StoredAudio | null> {
    const head = await this.head(id);
    return head && describe(id, head);
  }

  private async head(id: string): Promise<HeadObjectCommandOutput | null> {
    try {
      return await this.client.send(new HeadObjectCommand(this.object(id)));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async annotate(id: string, metadata: Record<string, unknown>): Promise<boolean> {
    const head = await this.head(id);
    if (!head) return false;
    await this.replaceMetadata(id, { ...describe(id, head).metadata, ...metadata });
    return true;
  }

  /** An object's metadata cannot be changed: the object is copied onto itself, inside the service. */
  private async replaceMetadata(id: string, metadata: Record<string, unknown>): Promise<void> {
    const { content_type: contentType, ...others } = metadata;
    const object = this.object(id);
    await this.client.send(
      new CopyObjectCommand({
        ...object,
        CopySource: `${object.Bucket}/${object.Key.split('/').map(encodeURIComponent).join('/')}`,
        MetadataDirective: 'REPLACE',
        ContentType: typeof contentType === 'string' ? contentType : undefined,
        Metadata: toHeaders(others),
      }),
    );
  }

  /** S3 does not say whether there was an object: asked first. */
  async delete(id: string): Promise<boolean> {
    const existed = (await this.head(id)) !== null;
    if (existed) await this.client.send(new DeleteObjectCommand(this.object(id)));
    return existed;
  }

  async *listOlderThan(cutoff: Date): AsyncGenerator<StoredAudio> {
    const pages = paginateListObjectsV2({ client: this.client }, { Bucket: this.bucket, Prefix: this.prefix });
    for await (const { Contents = [] } of pages) {
      for (const { Key: key = '', LastModified: modified } of Contents) {
        if (!modified || modified >= cutoff) continue;
        const found = await this.stat(key.slice(this.prefix.length));
        if (found) yield found;
      }
    }
  }

  async check(): Promise<void> {
    await this.client.send(new HeadBucketCommand({ Bucket: this.bucket }));
  }

  override async removeAbandoned(of: { before: Date } | { id: string }): Promise<number> {
    const where = { Bucket: this.bucket, Prefix: this.prefix + ('id' in of ? of.id : '') };
    const isMeant = (key?: string, initiated?: Date): boolean =>
      'id' in of ? key === where.Prefix : initiated !== undefined && initiated < of.before;
    let count = 0;
    let next: { KeyMarker?: string; UploadIdMarker?: string } | null = {};
    while (next) {
      const page: ListMultipartUploadsCommandOutput = await this.client.send(
        new ListMultipartUploadsCommand({ ...where, ...next }),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (!isMeant(Key, Initiated)) continue;
        await this.client.send(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId }));
        count += 1;
      }
      next = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : null;
    }
    return count;
  }

  /** Also while keys or bucket are wrong: whoever runs the service puts that right. */
  override isAway(error: unknown): boolean {
    const status = statusOf(error);
    if (status !== undefined && status !== 400) return status >= 500 || AWAY_STATUS.has(status);
    const { name, code, message } = error as NodeJS.ErrnoException;
    return AWAY_NAMES.has(name) || AWAY_CODES.has(code ?? '') || /socket hang up|credentials/i.test(message);
  }

  close(): void {
    this.client.destroy();
  }

  private object(id: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.prefix + id };
  }
}

interface Target {
  client: S3Client;
  Bucket: string;
  Key: string;
  /** Bytes. */
  partSize: number;
}

/** Bytes on their way into an object: one request when they are few, a multipart upload with a checksum for each part else. */
class S3Sink implements AudioSink {
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
    private readonly description: FileDescription | undefined,
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
        ...(description && { ContentType: description.contentType, Metadata: toHeaders(description.metadata) }),
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
    this.sent ??= this.upload.done().catch((error: Error) => {
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
    if (this.description) return;
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
function toHeaders(metadata: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replaceAll('_', '-'), encodeURIComponent(JSON.stringify(value))]),
  );
}

function describe(id: string, head: HeadObjectCommandOutput): StoredAudio {
  const metadata: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(head.Metadata ?? {}))
    metadata[name.replaceAll('-', '_')] = fromHeader(value);
  if (head.ContentType) metadata['content_type'] = head.ContentType;
  return { id, size: head.ContentLength ?? 0, uploadedAt: head.LastModified ?? new Date(0), metadata };
}

/** What others wrote is shown as it is. */
function fromHeader(value: string): unknown {
  try {
    return JSON.parse(decodeURIComponent(value));
  } catch {
    return value;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

function isMissing(error: unknown): boolean {
  const { name } = error as Error;
  return name !== 'NoSuchBucket' && (name === 'NoSuchKey' || name === 'NotFound' || statusOf(error) === 404);
}
