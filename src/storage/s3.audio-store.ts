import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import type {
  HeadObjectCommandOutput,
  ListMultipartUploadsCommandOutput,
  ListObjectsV2CommandOutput,
  S3ClientConfig,
} from '@aws-sdk/client-s3';
import { NotFoundError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { AudioStore } from './audio-store.js';
import type { AudioSink, NewFile, StoredAudio } from './audio-store.js';
import { S3Sink, toHeaders } from './s3.audio-sink.js';

const MIB = 2 ** 20;
/** With the SDK's backoff: a bucket that says SlowDown is asked again after up to some seconds. */
const TRIES = 5;
const CONNECT_TIMEOUT_MS = 5000;
/** Without a byte. */
const IDLE_TIMEOUT_MS = 60_000;
/** Of what carries no audio, with all its tries: people, and the sweep, wait for it. */
const ANSWER_TIMEOUT_MS = 8000;

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
      ...credentialsOf(config),
    });
  }

  create(id?: string, file: NewFile = {}): AudioSink {
    // Made-up keys are listed in the order of their time.
    const key = id ?? Date.now().toString(16).padStart(12, '0') + randomBytes(6).toString('hex');
    const target = { client: this.client, ...this.object(key), partSize: this.partSize };
    return new S3Sink(key, target, file, {
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
      .catch(async (error: unknown) => {
        if (statusOf(error) === 416) return { Body: undefined };
        throw (await this.isMissing(error)) ? new NotFoundError('Audio') : error;
      });
    if (Body) yield* Body as Readable;
  }

  async stat(id: string): Promise<StoredAudio | null> {
    const head = await this.head(id);
    return head && describe(id, head);
  }

  private async head(id: string): Promise<HeadObjectCommandOutput | null> {
    try {
      return await this.ask((within) => this.client.send(new HeadObjectCommand(this.object(id)), within));
    } catch (error) {
      if (await this.isMissing(error)) return null;
      throw error;
    }
  }

  /**
   * Whether there is no such object. To HEAD, S3 answers the same 404 where there is no such bucket, and then it knows nothing of
   * the audio: the bucket is asked for.
   *
   * @throws what the bucket's absence was told by: the archive is away
   */
  private async isMissing(error: unknown): Promise<boolean> {
    const { name } = error as Error;
    if (name === 'NoSuchBucket' || statusOf(error) !== 404) return false;
    await this.check();
    return true;
  }

  /** @throws DOMException `TimeoutError` when there is no answer in time */
  private async ask<T>(send: (within: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    const abortSignal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    try {
      return await send({ abortSignal });
    } catch (error) {
      throw abortSignal.aborted ? abortSignal.reason : error;
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
    if (existed) await this.ask((within) => this.client.send(new DeleteObjectCommand(this.object(id)), within));
    return existed;
  }

  async *listOlderThan(cutoff: Date, under = ''): AsyncGenerator<StoredAudio> {
    const where = { Bucket: this.bucket, Prefix: this.prefix + under };
    let next: string | undefined;
    do {
      const list = new ListObjectsV2Command({ ...where, ContinuationToken: next });
      const page: ListObjectsV2CommandOutput = await this.ask((within) => this.client.send(list, within));
      for (const { Key: key = '', LastModified: modified } of page.Contents ?? []) {
        if (!modified || modified >= cutoff) continue;
        const found = await this.stat(key.slice(this.prefix.length));
        if (found) yield found;
      }
      next = page.NextContinuationToken;
    } while (next !== undefined);
  }

  async check(): Promise<void> {
    await this.ask((within) => this.client.send(new HeadBucketCommand({ Bucket: this.bucket }), within));
  }

  override async removeAbandoned(of: { before: Date; under: string } | { id: string }): Promise<number> {
    const where = { Bucket: this.bucket, Prefix: this.prefix + ('id' in of ? of.id : of.under) };
    const isMeant = (key?: string, initiated?: Date): boolean =>
      'id' in of ? key === where.Prefix : initiated !== undefined && initiated < of.before;
    let count = 0;
    let next: { KeyMarker?: string; UploadIdMarker?: string } | null = {};
    while (next) {
      const list = new ListMultipartUploadsCommand({ ...where, ...next });
      const page: ListMultipartUploadsCommandOutput = await this.ask((within) => this.client.send(list, within));
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (!isMeant(Key, Initiated)) continue;
        if (await this.giveUp(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId }))) count += 1;
      }
      next = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : null;
    }
    return count;
  }

  /** False where it is refused, as of an upload that has ended or that a gateway only lists: those behind it are to go all the same. */
  private async giveUp(abort: AbortMultipartUploadCommand): Promise<boolean> {
    try {
      await this.ask((within) => this.client.send(abort, within));
      return true;
    } catch (error) {
      // Its status is that of a missing bucket.
      if ((error as Error).name !== 'NoSuchUpload' && this.isAway(error)) throw error;
      return false;
    }
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

/** Nothing where none are given: the SDK then looks for what the machine itself has. */
function credentialsOf(config: Config): Pick<S3ClientConfig, 'credentials'> {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey, S3_SESSION_TOKEN: token } = config;
  if (accessKeyId === null || secretAccessKey === null) return {};
  return { credentials: { accessKeyId, secretAccessKey, ...(token === null ? {} : { sessionToken: token }) } };
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
