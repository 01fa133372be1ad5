import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { PermanentError, TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';
import { StageHandler } from '../queue/stage-handler.js';
import type { StageContext } from '../queue/stage-handler.js';
import { StageWorker } from '../queue/stage-worker.js';
import { Archives } from '../storage/archives.js';
import { AudioStore } from '../storage/audio-store.js';
import { ArchiveWrites } from '../uploads/archive-writes.js';
import { AudioKeeper } from '../uploads/audio.keeper.js';
import { AudioRemoval } from '../uploads/audio-removal.js';
import type { KeptAudio } from '../uploads/kept-audio.schema.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { archiveKey } from './archive-key.js';

/**
 * The stage `archive`: audio that is kept moves from the landing zone into the archive. Stored, read back and compared first, then
 * recorded, then the landing zone's copy is deleted: at no time is there less than one whole copy that the ledger knows.
 */
@Injectable()
export class ArchiveHandler extends StageHandler {
  readonly stage = 'archive';
  // Nobody waits for it.
  override readonly yieldsTo = 'transcription';
  readonly showsProgress = false;
  readonly concurrency: number;
  readonly timeoutS: number;
  private readonly retryS: number;
  readonly unexpected = 'The audio could not be archived for a reason that is not known; it is tried again';

  constructor(
    private readonly keeper: AudioKeeper,
    private readonly writes: ArchiveWrites,
    private readonly archives: Archives,
    private readonly store: AudioStore,
    private readonly removal: AudioRemoval,
    private readonly metrics: Metrics,
    private readonly log: Log,
    worker: StageWorker,
    config: Config,
  ) {
    super();
    this.concurrency = config.ARCHIVE_CONCURRENCY;
    this.timeoutS = config.ARCHIVE_TIMEOUT_S;
    this.retryS = config.ARCHIVE_RETRY_S;
    worker.register(this);
  }

  next(): readonly StageName[] {
    return [];
  }

  async run({ claimed, signal }: StageContext): Promise<Partial<Upload>> {
    // What it writes, nobody takes back.
    const claim = await claimed();
    const { row } = claim;
    if (!row.file_id || row.audio_state !== 'stored')
      throw new PermanentError('audio_gone', 'The audio is not there any more');
    const audio = await this.keeper.link(claim);
    // Its result is going to be dropped: the row has ended, or another worker has it.
    if (!audio) return {};
    // The landing zone's copy may be the last one: a reference is only worth what is really there.
    const unstored = audio.state === 'live' ? await this.missing(audio, signal) : audio;
    if (unstored) await this.keep(unstored, row, signal);
    else this.metrics.archived.labels('shared').inc();
    return { kept_state: 'kept', audio_state: 'deleting' };
  }

  /** Parts of an attempt that died on the way would be kept, and paid for, until the sweep finds them old enough. */
  private async removeParts(key: string): Promise<void> {
    try {
      await this.archives.of(this.archives.name).removeAbandoned({ id: key });
    } catch (error) {
      // Storing does not depend on it: the keys may not be allowed to list, and the sweep looks again.
      this.log.pino.warn({ err: error }, 'Parts of an earlier attempt were not removed');
    }
  }

  private async missing(audio: KeptAudio, signal: AbortSignal): Promise<KeptAudio | null> {
    try {
      return await this.keeper.missing(audio, signal);
    } catch (error) {
      throw this.archives.of(audio.store).isAway(error) ? this.away(error) : error;
    }
  }

  private async keep(audio: KeptAudio, row: Upload, signal: AbortSignal): Promise<void> {
    const { name } = this.archives;
    // A key of its own for each attempt, where a paused one could still write into the same file.
    const key = name === 's3' ? archiveKey(row) : new mongo.ObjectId().toHexString();
    const earlier = await this.keeper.reserve(audio, row, key, this.timeoutS * 1000);
    await this.writes.begin(name, key);
    try {
      if (earlier !== null) await this.archives.of(name).delete(earlier);
      if (audio.key !== null) await this.removeParts(audio.key);
      await this.copy(row, key, signal);
      await this.compare(row, key, signal);
    } catch (error) {
      throw this.archives.of(name).isAway(error) ? this.away(error) : error;
    }
    if (!(await this.keeper.stored(audio, row, key))) {
      // Another attempt has it, or the row was erased meanwhile; under S3 that attempt's key may be the same.
      if (!(await this.keeper.names(key))) await this.archives.of(name).delete(key);
      throw new TransientError('audio_busy', 'The same audio is being stored', { retryAfter: 2, uncounted: true });
    }
    this.writes.over(name, key);
    this.metrics.archived.labels('stored').inc();
    this.metrics.archivedBytes.inc(row.size ?? 0);
    this.log.pino.info({ upload_id: row._id.toHexString(), store: name, size: row.size }, 'Audio archived');
  }

  /** Nobody's answer is at fault: the stage waits until the archive is back. */
  private away(cause: unknown): TransientError {
    const message = 'The archive cannot be reached or does not take the audio';
    return new TransientError('archive_away', message, { retryAfter: this.retryS, uncounted: true, cause });
  }

  private async copy(row: Upload, key: string, signal: AbortSignal): Promise<void> {
    const description = {
      filename: `${row.session_id}_${row.question_id}`,
      contentType: row.content_type ?? '',
      metadata: {
        upload_id: row._id.toHexString(),
        user_id: row.user_id,
        session_id: row.session_id,
        question_id: row.question_id,
        sha256: row.sha256,
        upload_date: row.committed_at,
      },
    };
    const sink = this.archives.of(this.archives.name).create(key, { description });
    const hash = createHash('sha256');
    let mayBeWhole = false;
    try {
      for await (const chunk of this.store.open(row.file_id!.toHexString()) as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        hash.update(chunk);
        await sink.write(chunk);
      }
      if (hash.digest('hex') !== row.sha256)
        throw new PermanentError('audio_altered', 'The stored audio is not the one that came; it is not archived');
      mayBeWhole = true;
      await sink.finish(description);
    } catch (error) {
      // What cannot be removed now is written over, or removed, by the next attempt.
      if (!mayBeWhole || !(await this.mayBeAnothers(key))) await sink.abort().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Whether a whole file under this key may have been stored, checked and counted on by another attempt while this one was held up:
   * in S3 the attempts of a row share their key. What the ledger names goes with it, or is written over.
   */
  private async mayBeAnothers(key: string): Promise<boolean> {
    return this.archives.name === 's3' && (await this.keeper.names(key).catch(() => true));
  }

  /** A checksum in the answer to a write is about what arrived; only what comes back is about what is there. */
  private async compare(row: Upload, key: string, signal: AbortSignal): Promise<void> {
    const archive = this.archives.of(this.archives.name);
    const hash = createHash('sha256');
    let fault: unknown;
    try {
      for await (const chunk of archive.open(key) as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        hash.update(chunk);
      }
    } catch (error) {
      if (signal.aborted || archive.isAway(error)) throw error;
      // The SDK compares checksums too.
      fault = error;
    }
    if (fault === undefined && hash.digest('hex') === row.sha256) return;
    const message = 'What the archive gives back is not what it was given';
    throw new TransientError('archive_altered', message, { cause: fault });
  }

  async finished(row: Upload): Promise<void> {
    if (row.audio_state === 'deleting' && row.file_id) this.removal.remove(row._id, row.file_id.toHexString());
  }
}
