import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Log } from '../common/logging.js';
import { MARKED } from '../common/marked.js';
import { isMongoAway } from '../common/mongo-errors.js';
import { Config } from '../config/config.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { ErasingSession } from '../sessions/session.repository.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { AudioStore } from '../storage/audio-store.js';
import { isArchiveAway } from '../uploads/archive-away.js';
import { FailedUploads } from '../uploads/failed-uploads.js';
import { LedgerNotes } from '../uploads/ledger-notes.js';
import { Ledger } from '../uploads/ledger.js';
import { stagePath } from '../uploads/stage-path.js';
import { LostWorkers } from '../uploads/lost-workers.js';
import { UploadTargets } from '../uploads/targets.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { Upload } from '../uploads/upload.schema.js';
import { UPLOAD_INTERRUPTED } from '../uploads/ledger-errors.js';
import { LostJobs } from './lost-jobs.js';

const DAY_MS = 86_400_000;
/** Rows of one kind in one sweep; the next one goes on. */
export const MOST = 1000;
/** Sessions that one sweep erases. */
export const MOST_ERASURES = 100;

/** What one sweep put right, by step. */
export type SweepReport = Record<string, number>;

/** What a step is told: how many it put right, or would, is its answer. `signal` asks it to end early; the next sweep goes on. */
type Step = (dryRun: boolean, signal: AbortSignal) => Promise<number>;

/**
 * Finishes what was cut short. Every step looks for rows that say what is missing, does it by the same conditional updates as the
 * first time, and can be repeated; so it is safe beside running uploads and workers.
 */
@Injectable()
export class Sweeper {
  private readonly further: [string, Step][] = [];

  constructor(
    private readonly ledger: Ledger,
    private readonly notes: LedgerNotes,
    private readonly lostWorkers: LostWorkers,
    private readonly targets: UploadTargets,
    private readonly lostJobs: LostJobs,
    private readonly store: AudioStore,
    private readonly sessions: SessionRepository,
    private readonly sessionsService: SessionsService,
    private readonly config: Config,
    private readonly failedUploads: FailedUploads,
    private readonly log: Log,
  ) {}

  /** Has a feature's own step run after the others. */
  also(name: string, step: Step): void {
    this.further.push([name, step]);
  }

  /**
   * @param dryRun counts what each step would look at, and puts nothing right
   * @param signal ends it early
   */
  async sweep(dryRun = false, signal = new AbortController().signal): Promise<SweepReport> {
    const report: SweepReport = {};
    const steps: [string, Step][] = [
      ['half_written_uploads', (...how) => this.halfWritten(...how)],
      ['links', (...how) => this.links(...how)],
      ['expired_leases', (...how) => this.expiredLeases(...how)],
      ['projections', (...how) => this.projections(...how)],
      ['lost_jobs', (...how) => this.lostJobs.find(...how)],
      ['audio_deletions', (...how) => this.audioDeletions(...how)],
      ['erasures', (...how) => this.erasures(...how)],
      ['old_failed_rows', (...how) => this.oldFailedRows(...how)],
      ...this.further,
    ];
    for (const [name, step] of steps) {
      if (signal.aborted) break;
      try {
        report[name] = await step(dryRun, signal);
      } catch (error) {
        if (signal.aborted) break;
        // One step's trouble (Redis away, say) must not keep the others from their work.
        this.log.pino.warn({ err: error, step: name }, 'Sweep step failed');
        // Without MongoDB each further step would only wait for it.
        if (isMongoAway(error)) break;
      }
    }
    const done = Object.fromEntries(Object.entries(report).filter(([, count]) => count > 0));
    if (!dryRun && Object.keys(done).length > 0) this.log.pino.info(done, 'Sweep put things right');
    return report;
  }

  /** Uploads whose sender, or whose API process, went away. Their bytes were never promised to anyone. */
  private halfWritten(...how: Parameters<Step>): Promise<number> {
    return this.each(how, { state: 'uploading', lease_until: { $lt: new Date() } }, async (row) => {
      const stillExpired = { _id: row._id, state: 'uploading' as const, lease_until: { $lt: new Date() } };
      const set = {
        state: 'failed',
        error: UPLOAD_INTERRUPTED,
        audio_state: 'deleting',
        stages: {},
        lease_until: null,
      };
      if (!(await this.ledger.change(stillExpired, set))) return false;
      this.failedUploads.count(row.kind, UPLOAD_INTERRUPTED);
      // It stays `deleting`: a write that was on its way meanwhile goes with the later look at what is being deleted.
      if (row.file_id) await this.store.delete(row.file_id.toHexString());
      return true;
    });
  }

  /** Committed, but the request died before its target knew. */
  private links(...how: Parameters<Step>): Promise<number> {
    return this.each(how, { link_due: true, committed_at: { $lt: this.graceAgo() } }, async (row) => {
      await this.targets.of(row).link(row);
      return true;
    });
  }

  private async expiredLeases(...how: Parameters<Step>): Promise<number> {
    let count = 0;
    for (const stage of STAGES) {
      const expired = {
        [stagePath(stage, 'state')]: 'processing',
        [stagePath(stage, 'lease_until')]: { $lt: new Date() },
        state: 'committed' as const,
      };
      count += await this.each(how, expired, async (row) => {
        const verdict = await this.lostWorkers.takeBack(row, stage);
        if (!verdict) return false;
        const fresh = await this.ledger.find(row._id);
        if (fresh) await this.project(fresh);
        if (fresh && verdict.outcome === 'retry') await this.lostJobs.replace(fresh, stage);
        return true;
      });
    }
    return count;
  }

  /** The row changed, but its target does not show it for sure. */
  private projections(...how: Parameters<Step>): Promise<number> {
    return this.each(how, { projection_due: MARKED, updated_at: { $lt: this.graceAgo() } }, async (row) => {
      await this.project(row);
      return true;
    });
  }

  /** Deletions that were recorded and not finished. */
  private audioDeletions(...how: Parameters<Step>): Promise<number> {
    return this.each(how, { audio_state: 'deleting', updated_at: { $lt: this.graceAgo() } }, async (row) => {
      await this.deleteAudio(row);
      return true;
    });
  }

  private async erasures(dryRun: boolean, signal: AbortSignal): Promise<number> {
    let count = 0;
    let isAway = false;
    for await (const session of this.sessions.erasingSince(this.graceAgo())) {
      if (signal.aborted) break;
      try {
        if (isAway && (await this.hasKeptAudio(session))) continue;
        if (!dryRun) await this.sessionsService.finishErasure(session);
        // Those that cannot be erased now, however many, keep none behind them waiting.
        if (++count === MOST_ERASURES) break;
      } catch (error) {
        if (isMongoAway(error)) throw error;
        // While the archive is away, only those that have audio there wait for it.
        isAway ||= isArchiveAway(error);
        this.log.pino.warn({ err: error, session_id: session.session_id }, 'Session not erased yet');
      }
    }
    return count;
  }

  private async hasKeptAudio({ user_id, session_id }: ErasingSession): Promise<boolean> {
    const keeping = {
      user_id,
      session_id,
      kept_state: { $in: ['linking' as const, 'kept' as const, 'releasing' as const] },
    };
    return (await this.ledger.rows.findOne(keeping, { projection: { _id: 1 } })) !== null;
  }

  /** Rows of uploads that never arrived are kept for people to look at, for a while. */
  private oldFailedRows(...how: Parameters<Step>): Promise<number> {
    const before = new Date(Date.now() - this.config.FAILED_UPLOAD_RETENTION_D * DAY_MS);
    return this.each(how, { state: 'failed', audio_state: 'deleted', updated_at: { $lt: before } }, async (row) => {
      await this.ledger.deleteBeside([row._id]);
      return (await this.ledger.rows.deleteOne({ _id: row._id, state: 'failed' })).deletedCount === 1;
    });
  }

  private async project(row: Upload): Promise<void> {
    const mark = row.projection_due;
    if (row.state === 'committed') await this.targets.of(row).project(row);
    if (mark) this.notes.projected(row._id, mark);
  }

  private async deleteAudio(row: Upload): Promise<void> {
    if (row.file_id) await this.store.delete(row.file_id.toHexString());
    await this.ledger.audioDeleted(row._id);
  }

  private async each(
    [dryRun, signal]: Parameters<Step>,
    filter: mongo.Filter<Upload>,
    put: (row: Upload) => Promise<boolean>,
  ): Promise<number> {
    let count = 0;
    for await (const row of this.ledger.rows.find(filter, { limit: MOST, batchSize: 100 })) {
      if (signal.aborted) break;
      try {
        if (dryRun || (await put(row))) count += 1;
      } catch (error) {
        if (isMongoAway(error)) throw error;
        // One row's trouble must not keep those behind it.
        this.log.pino.warn({ err: error, upload_id: row._id.toHexString() }, 'Row not put right yet');
      }
    }
    return count;
  }

  /** What is younger may simply be under way. */
  private graceAgo(): Date {
    return new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000);
  }
}
