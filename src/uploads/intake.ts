import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { AppError, ValidationError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { nextTurn } from '../common/loop-turn.js';
import { Metrics } from '../common/metrics.js';
import { isMongoAway } from '../common/mongo-errors.js';
import { Config } from '../config/config.js';
import { AudioStore } from '../storage/audio-store.js';
import type { AudioSink } from '../storage/audio-store.js';
import { FailedUploads } from './failed-uploads.js';
import { Ledger } from './ledger.js';
import type { NewUpload, ReceivedFile } from './ledger.js';
import { SNIFF_BYTES, sniffAudio } from './sniff.js';
import type { StageError } from './upload.schema.js';
import { UPLOAD_INTERRUPTED } from './ledger-errors.js';

export type Incoming = Omit<NewUpload, '_id'>;

/** Bytes that are durable and recorded, and not yet promised to anyone. Ends by `commit` or `discard`. */
export interface Staged extends ReceivedFile {
  readonly id: mongo.ObjectId;
  readonly upload: Incoming;
  readonly startedAt: number;
}

/** What a refused upload says; `loc` of validation errors names the form field. */
const FIELD = ['body', 'audio'];

/**
 * The only code that accepts bytes. One pass: the ledger row first, then from the socket into the store while hash, size and
 * type are found out; no temporary file, no whole body in memory.
 */
@Injectable()
export class Intake {
  constructor(
    private readonly ledger: Ledger,
    private readonly store: AudioStore,
    private readonly config: Config,
    private readonly failedUploads: FailedUploads,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /**
   * Receives a file's bytes.
   *
   * @throws ValidationError for an empty file
   * @throws AppError `too_large`, `unsupported_media_type`, or what the stream failed with; nothing is kept then but a
   *   `failed` row (no row if not a byte had come)
   */
  async stage(bytes: AsyncIterable<Buffer>, upload: Incoming, maxBytes: number): Promise<Staged> {
    const id = new mongo.ObjectId();
    const fileId = new mongo.ObjectId();
    const startedAt = performance.now();
    const reception = new Reception(maxBytes);
    const leaseMs = this.config.UPLOAD_LEASE_S * 1000;
    let recorded: Promise<void> | undefined;
    let renewal: NodeJS.Timeout | undefined;
    try {
      for await (const chunk of bytes) {
        if (chunk.length === 0) continue;
        if (!recorded) {
          recorded = this.ledger.begin({ _id: id, ...upload }, fileId, leaseMs);
          // Awaited before the first byte is written; until then a failure must not count as unhandled.
          recorded.catch(() => undefined);
          reception.into(this.store.create(fileId.toHexString(), { after: recorded }));
          renewal = setInterval(() => void this.renew(id, leaseMs, reception), leaseMs / 3);
        }
        await reception.take(chunk);
      }
      if (!recorded) throw ValidationError.at(FIELD, 'value_error', 'Value error, the file is empty');
      const file = await reception.finish(`${upload.session_id}_${upload.question_id}`, {
        session_id: upload.session_id,
        question_id: upload.question_id,
        user_id: upload.user_id,
        upload_id: id.toHexString(),
        upload_date: new Date(),
        status: 'queued',
      });
      return { id, upload, startedAt, file_id: fileId, ...file };
    } catch (error) {
      const abandoned = this.abandon(id, upload, reception, recorded, error);
      // Nobody is to wait for what MongoDB cannot do while it is away.
      if (!isMongoAway(error)) await abandoned;
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  /**
   * Makes the bytes count: they survive whatever happens from here on.
   *
   * @param language as the upload gave it, else its session
   * @returns when: of two takes the one that was committed later stays
   * @throws AppError when the upload took so long that its row was swept
   */
  async commit(staged: Staged, language: string | null): Promise<Date> {
    const at = await this.ledger.commit(staged.id, staged, language);
    if (!at) {
      // The sweep deleted what there was of the file when it gave the row up; what came after it is ours to delete.
      await this.store.delete(staged.file_id.toHexString());
      throw expired();
    }
    const { kind } = staged.upload;
    this.metrics.uploads.labels('committed', kind).inc();
    this.metrics.uploadBytes.labels(kind).inc(staged.size);
    this.metrics.uploadDuration.labels(kind).observe((performance.now() - staged.startedAt) / 1000);
    return at;
  }

  /** Gives staged bytes up because something about the request was wrong. */
  async discard(staged: Staged, error: StageError): Promise<void> {
    const row = { _id: staged.id, kind: staged.upload.kind };
    if (await this.failedUploads.close(row, error)) await this.deleteAudio(staged);
  }

  /** Gives staged bytes up because the target has the same ones. */
  async closeAsDuplicate(staged: Staged, of: string): Promise<void> {
    if (await this.ledger.closeAsDuplicate(staged.id, of, staged)) await this.deleteAudio(staged);
    this.metrics.uploads.labels('duplicate', staged.upload.kind).inc();
    this.log.pino.info({ upload_id: staged.id.toHexString(), duplicate_of: of }, 'Upload is a duplicate');
  }

  /** Nothing more is written for a row that the sweep has given up. */
  private async renew(id: mongo.ObjectId, leaseMs: number, reception: Reception): Promise<void> {
    // MongoDB away: the writes themselves will tell.
    const held = await this.ledger.renew(id, leaseMs).catch(() => true);
    if (!held) reception.refuse(expired());
  }

  private async deleteAudio({ id, file_id }: Staged): Promise<void> {
    await this.store.delete(file_id.toHexString());
    await this.ledger.audioDeleted(id);
  }

  private async abandon(
    id: mongo.ObjectId,
    upload: Incoming,
    reception: Reception,
    recorded: Promise<void> | undefined,
    cause: unknown,
  ): Promise<void> {
    const error = cause instanceof AppError ? { code: cause.code, message: cause.message } : UPLOAD_INTERRUPTED;
    this.log.pino.info({ upload_id: recorded && id.toHexString(), code: error.code, err: cause }, 'Upload not taken');
    const hasRow = await recorded?.then(
      () => true,
      () => false,
    );
    // Otherwise it is counted by whoever closes the row: here, or the sweep.
    if (!hasRow) this.failedUploads.count(upload.kind, error);
    if (!recorded) return;
    try {
      await reception.abort();
      const failed = hasRow
        ? await this.failedUploads.close({ _id: id, kind: upload.kind }, error)
        : await this.ledger.failUpload(id, error);
      // A write that was cut off may still arrive: then the sweep deletes once more, later.
      if (failed && !isMongoAway(cause)) await this.ledger.audioDeleted(id);
    } catch (failure) {
      // MongoDB is away: the row's lease runs out, and the sweep does the same.
      this.log.pino.warn({ err: failure, upload_id: id.toHexString() }, 'Upload not cleaned up, the sweep will do it');
    }
  }
}

/** One file on its way in: counts, hashes, sniffs and passes on, with the store's back-pressure. */
class Reception {
  private readonly hash = createHash('sha256');
  private head: Buffer[] | null = [];
  private headBytes = 0;
  private contentType: string | null = null;
  private size = 0;
  private sink: AudioSink | null = null;
  private refusal: AppError | null = null;

  constructor(private readonly maxBytes: number) {}

  /** Where the bytes go, before the first of them. */
  into(sink: AudioSink): void {
    this.sink = sink;
  }

  /** Whatever comes next is refused. */
  refuse(error: AppError): void {
    this.refusal = error;
  }

  async take(chunk: Buffer): Promise<void> {
    const turn = nextTurn();
    if (turn) await turn;
    if (this.refusal) throw this.refusal;
    this.size += chunk.length;
    if (this.size > this.maxBytes) throw tooLarge(this.maxBytes);
    this.hash.update(chunk);
    if (!this.head) return this.sink!.write(chunk);
    this.head.push(chunk);
    this.headBytes += chunk.length;
    if (this.headBytes >= SNIFF_BYTES) await this.sniff();
  }

  private async sniff(): Promise<void> {
    const head = this.head ?? [];
    this.head = null;
    this.contentType = await sniffAudio(head.length === 1 ? head[0]!.subarray(0, SNIFF_BYTES) : Buffer.concat(head));
    if (!this.contentType) {
      const message = 'The file is not audio in a known format: webm, ogg, wav, mp3, m4a or flac';
      throw new AppError('unsupported_media_type', 'not_audio', message);
    }
    for (const chunk of head) await this.sink!.write(chunk);
  }

  async finish(filename: string, metadata: Record<string, unknown>): Promise<Omit<ReceivedFile, 'file_id'>> {
    if (this.head) await this.sniff();
    if (this.refusal) throw this.refusal;
    const sha256 = this.hash.digest('hex');
    const content_type = this.contentType ?? '';
    await this.sink!.finish({ filename, contentType: content_type, metadata: { ...metadata, sha256 } });
    return { content_type, size: this.size, sha256 };
  }

  async abort(): Promise<void> {
    await this.sink?.abort();
  }
}

function expired(): AppError {
  const message = 'The upload took too long and was given up; please send it again';
  return new AppError('unavailable', 'upload_expired', message, { retryable: true, retryAfter: 1 });
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError(
    'too_large',
    'too_large',
    `The file is larger than the ${Math.floor(maxBytes / 2 ** 20)} MB that are taken`,
  );
}
