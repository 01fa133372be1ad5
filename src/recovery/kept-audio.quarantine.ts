import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { isMongoAway } from '../common/mongo-errors.js';
import { Config } from '../config/config.js';
import { Archives } from '../storage/archives.js';
import { isArchiveAway } from '../uploads/archive-away.js';
import { AudioKeeper } from '../uploads/audio.keeper.js';
import type { KeptAudio } from '../uploads/kept-audio.schema.js';
import { UploadEraser } from '../uploads/upload.eraser.js';

const HOUR_MS = 3_600_000;
const BATCH = 200;

export interface KeptAudioReview {
  /** Marked as unwanted by this run. */
  quarantined: number;
  /** Referred to again. */
  released: number;
  /** Unwanted for `QUARANTINE_HOURS`. */
  deleted: number;
}

/** Kept audio that no row refers to: marked, and given up only after `QUARANTINE_HOURS`, if it still is unwanted then. */
@Injectable()
export class KeptAudioQuarantine implements OnModuleInit {
  constructor(
    private readonly keeper: AudioKeeper,
    private readonly archives: Archives,
    private readonly eraser: UploadEraser,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.eraser.also((userId, sessionId) => this.eraseSession(userId, sessionId));
  }

  /** What its owner has erased waits for nothing. Its row is gone: of which session it was, the archive knows. */
  private async eraseSession(user_id: string, sessionId: string): Promise<void> {
    const unwanted = this.keeper.kept.find({ user_id, unwanted_since: { $exists: true } }, { batchSize: BATCH });
    for await (const { _id, store, key } of unwanted) {
      if (key === null) continue;
      const found = await this.archives
        .of(store)
        .stat(key)
        .catch((error: unknown) => Promise.reject(this.archives.translated(store, error) as Error));
      if (found?.metadata['session_id'] === sessionId) await this.keeper.collect(_id);
    }
  }

  /** @param signal ends it early */
  async review(dryRun: boolean, signal?: AbortSignal): Promise<KeptAudioReview> {
    const report: KeptAudioReview = { quarantined: 0, released: 0, deleted: 0 };
    let isAway = false;
    // Whoever archives makes the entry a moment before it is referred to.
    const old = { updated_at: { $lt: new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000) } };
    for await (const audio of this.keeper.kept.find(old, { sort: { _id: 1 }, batchSize: BATCH })) {
      if (signal?.aborted) break;
      try {
        const done = await this.reviewOne(audio, dryRun, isAway);
        if (done) report[done] += 1;
      } catch (error) {
        if (isMongoAway(error)) throw error;
        // While the archive is away, only what is to be deleted there waits for it.
        isAway ||= isArchiveAway(error);
        this.log.pino.warn(
          { err: error, kept_id: audio._id.toHexString() },
          'Kept audio without a row not seen to yet',
        );
      }
    }
    return report;
  }

  private async reviewOne(audio: KeptAudio, dryRun: boolean, isAway: boolean): Promise<keyof KeptAudioReview | null> {
    const { _id, unwanted_since: since } = audio;
    if (await this.keeper.isReferredTo(_id)) {
      if (!since) return null;
      if (!dryRun) await this.keeper.kept.updateOne({ _id }, { $unset: { unwanted_since: 1 } });
      return 'released';
    }
    if (!since) {
      if (!dryRun) await this.mark(audio);
      return 'quarantined';
    }
    if (isAway || since.getTime() > Date.now() - this.config.QUARANTINE_HOURS * HOUR_MS) return null;
    if (!dryRun) await this.keeper.collect(_id);
    return 'deleted';
  }

  private async mark({ _id, store, size }: KeptAudio): Promise<void> {
    await this.keeper.kept.updateOne({ _id }, { $set: { unwanted_since: new Date() } });
    this.log.pino.warn({ kept_id: _id.toHexString(), store, size }, 'Kept audio without a row quarantined');
  }
}
