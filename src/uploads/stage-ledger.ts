import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import type { AppError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import { Outbox } from '../events/outbox.js';
import { attemptOf, backoffMs } from './attempt-of.js';
import { LedgerNotes } from './ledger-notes.js';
import { Ledger } from './ledger.js';
import { stagePath } from './stage-path.js';
import { owedByRow } from './row-events.js';
import { StageClaims } from './stage-claims.js';
import { endedStage, failedStage, withStage } from './stage-end.js';
import type { StageError, StageName, Upload } from './upload.schema.js';
import { dueStage, needsBytes } from './upload.schema.js';
import { WORKER_LOST } from './ledger-errors.js';

/** A stage in the hands of one worker. Whatever it writes, it writes only while its token holds. */
export interface Claim {
  readonly id: mongo.ObjectId;
  readonly stage: StageName;
  /** Held by this row alone, or by all that were taken in the same write. */
  readonly token: string;
  /** Names what this attempt changes of this row. */
  readonly mark: string;
  readonly row: Upload;
  /** From 1. */
  readonly attempt: number;
  readonly claimedAt: Date;
}

/** What becomes of a stage whose attempt did not succeed. */
export type Verdict = { outcome: 'retry'; dueAt: Date } | { outcome: 'failed' };

/** The states of stages: due → processing → done or failed, each step a conditional update (DESIGN: claim, then fence). */
@Injectable()
export class StageLedger {
  private readonly leaseMs: number;
  private readonly claims: StageClaims;

  constructor(
    private readonly ledger: Ledger,
    private readonly notes: LedgerNotes,
    private readonly outbox: Outbox,
    private readonly config: Config,
  ) {
    this.leaseMs = config.STAGE_LEASE_S * 1000;
    this.claims = new StageClaims(ledger, this.leaseMs);
  }

  /**
   * Takes a due stage. What one worker takes at the same time is taken together.
   *
   * @param seen hears of the due row as soon as it is read, and must not throw; somebody else may still take it
   * @returns null if it is not due, or somebody else took it
   */
  async claim(
    id: mongo.ObjectId,
    stage: StageName,
    worker: string,
    seen?: (row: Upload) => void,
  ): Promise<Claim | null> {
    const row = await this.claims.take(id, stage, worker, seen);
    return row && claimOf(row, stage);
  }

  /** False when the stage is no longer ours: a newer take, an erasure, or a lease that ran out. */
  async renew(claim: Claim): Promise<boolean> {
    const until = new Date(Date.now() + this.leaseMs);
    return this.ledger.change(this.held(claim), { [stagePath(claim.stage, 'lease_until')]: until });
  }

  /**
   * Writes the result, once, and makes the stages `next` due.
   *
   * @param result fields of the row
   * @returns false when the token no longer holds: nothing was written
   */
  async complete(claim: Claim, result: Partial<Upload>, next: readonly StageName[] = []): Promise<boolean> {
    const now = new Date();
    const done = await this.write(claim, {
      ...result,
      ...Object.fromEntries(next.map((name) => [`stages.${name}`, dueStage(now)])),
      projection_due: claim.mark,
      ...owedByRow(this.outbox, claim.row, claim.stage, { done: result }, claim.mark),
      ...endedStage(claim.stage, 'done', now, null),
    });
    if (done) this.notes.attempt(attemptOf(claim, 'done', null, now));
    return done;
  }

  /** The row as `complete` left it, without reading it again. */
  after(claim: Claim, result: Partial<Upload>, next: readonly StageName[] = []): Upload {
    const now = new Date();
    const row = withStage(claim.row, claim.stage, { state: 'done', token: null }, result);
    return { ...row, stages: { ...row.stages, ...Object.fromEntries(next.map((name) => [name, dueStage(now)])) } };
  }

  /** The row as it is by now: kept audio is archived beside its analysis, so that what one stage leaves is not all there is. */
  async latest(row: Upload): Promise<Upload> {
    return row.retain_audio ? ((await this.reread(row)) ?? row) : row;
  }

  async reread({ _id }: Upload): Promise<Upload | null> {
    return this.ledger.find(_id);
  }

  /** The row as `fail` left it, without reading it again. */
  afterFailure(claim: Claim, error: StageError, verdict: Verdict): Upload {
    const next =
      verdict.outcome === 'retry' ? { state: 'due' as const, due_at: verdict.dueAt } : { state: 'failed' as const };
    return withStage(claim.row, claim.stage, { ...next, token: null, error });
  }

  /**
   * Ends an attempt that failed: back to due with backoff while attempts are left and it may succeed, else failed.
   *
   * @param why `uncounted`: it goes back however many attempts there were, and this one is not counted
   */
  async fail(
    claim: Claim,
    error: StageError,
    { retryable, retryAfter: retryAfterS, uncounted }: Pick<AppError, 'retryable' | 'retryAfter' | 'uncounted'>,
  ): Promise<Verdict | null> {
    const now = new Date();
    if (retryable && (uncounted || claim.attempt < this.config.STAGE_ATTEMPTS)) {
      const dueAt = new Date(
        now.getTime() + Math.max(backoffMs(this.config.STAGE_BACKOFF_S, claim.attempt), (retryAfterS ?? 0) * 1000),
      );
      const set = {
        ...endedStage(claim.stage, 'due', now, error),
        [stagePath(claim.stage, 'due_at')]: dueAt,
        ...(uncounted ? { [stagePath(claim.stage, 'attempts')]: claim.attempt - 1 } : {}),
      };
      if (!(await this.write(claim, { ...set, projection_due: claim.mark }))) return null;
      const attempt = attemptOf(claim, 'retry', error, now);
      await (uncounted ? this.ledger.recordAgain(attempt) : this.ledger.record(attempt));
      return { outcome: 'retry', dueAt };
    }
    const set = failedStage(this.outbox, claim.row, claim.stage, now, error, claim.mark);
    if (!(await this.write(claim, set))) return null;
    await this.ledger.record(attemptOf(claim, 'failed', error, now));
    return { outcome: 'failed' };
  }

  /**
   * It was not worked on, or not to the end, for no fault of its own: the stage is due again at once, and the attempt is not counted.
   *
   * @returns the row as it is then, null when the token no longer held
   */
  async giveBack(claim: Claim): Promise<Upload | null> {
    const now = new Date();
    const attempts = claim.attempt - 1;
    const set = {
      ...endedStage(claim.stage, 'due', now, null),
      [stagePath(claim.stage, 'due_at')]: now,
      [stagePath(claim.stage, 'attempts')]: attempts,
      projection_due: claim.mark,
    };
    if (!(await this.write(claim, set))) return null;
    await this.ledger.record(attemptOf(claim, 'returned', null, now));
    return withStage(claim.row, claim.stage, { state: 'due', due_at: now, attempts, token: null, error: null });
  }

  /** The worker went away: what its lease held is due again, or failed if that was the last attempt. */
  async reclaim(row: Upload, stage: StageName): Promise<Verdict | null> {
    const claim = claimOf(row, stage);
    if (!claim) return null;
    const now = new Date();
    const left = claim.attempt < this.config.STAGE_ATTEMPTS;
    const set = {
      ...(left
        ? endedStage(stage, 'due', now, WORKER_LOST)
        : failedStage(this.outbox, row, stage, now, WORKER_LOST, claim.mark)),
      [stagePath(stage, 'due_at')]: now,
      projection_due: claim.mark,
    };
    const { modifiedCount } = await this.ledger.rows.updateOne(
      { ...this.held(claim), [stagePath(stage, 'lease_until')]: { $lt: now } },
      { $set: { ...set, updated_at: now }, $inc: { version: 1 } },
    );
    if (modifiedCount !== 1) return null;
    await this.ledger.record(attemptOf(claim, 'lost', WORKER_LOST, now));
    return left ? { outcome: 'retry', dueAt: now } : { outcome: 'failed' };
  }

  /**
   * A failed stage is due again with all its attempts: the same bytes were sent again, or an admin asks for it.
   *
   * @param row its `language` is written with it: who sends the bytes again may have named another one
   * @param from `due`: one that waits for its time, or for a job that is gone, is due now
   * @returns false when it is in another state by now, or its bytes are gone
   */
  async requeue(row: Upload, stage: StageName, from: 'failed' | 'due' = 'failed'): Promise<boolean> {
    const dispatch = (row.stages[stage]?.dispatch ?? 0) + 1;
    return this.ledger.change(
      {
        _id: row._id,
        state: 'committed',
        [stagePath(stage, 'state')]: from,
        ...(needsBytes(stage) ? { audio_state: 'stored' } : {}),
      },
      {
        [`stages.${stage}`]: { ...dueStage(new Date()), dispatch },
        language: row.language,
        projection_due: randomUUID(),
      },
      [],
      true,
    );
  }

  /** Gives a due stage a new job number, so that Bull does not take it for the job it once knew. */
  async redispatch(row: Pick<Upload, '_id' | 'stages'>, stage: StageName): Promise<number | null> {
    const dispatch = (row.stages[stage]?.dispatch ?? 0) + 1;
    const { modifiedCount } = await this.ledger.rows.updateOne(
      { _id: row._id, [stagePath(stage, 'state')]: 'due', [stagePath(stage, 'dispatch')]: dispatch - 1 },
      { $set: { [stagePath(stage, 'dispatch')]: dispatch } },
    );
    return modifiedCount === 1 ? dispatch : null;
  }

  private held(claim: Claim): mongo.Filter<Upload> {
    return {
      _id: claim.id,
      // A newer take ends the stages it saw: one that was claimed meanwhile still has its token.
      state: 'committed',
      [stagePath(claim.stage, 'state')]: 'processing',
      [stagePath(claim.stage, 'token')]: claim.token,
    };
  }

  private async write(claim: Claim, set: Record<string, unknown>): Promise<boolean> {
    const at = set[stagePath(claim.stage, 'finished_at')] as Date;
    return this.ledger.writes.update({
      filter: this.held(claim),
      update: { $set: { ...set, updated_at: at }, $inc: { version: 1 } },
      which: { _id: claim.id },
      shows: ({ stages }) => {
        const stage = stages[claim.stage];
        return stage?.finished_at?.getTime() === at.getTime() && stage.token !== claim.token;
      },
    });
  }
}

/** The claim that a row tells of; null where nobody holds the stage. */
function claimOf(row: Upload, stage: StageName): Claim | null {
  const held = row.stages[stage];
  if (!held?.token) return null;
  const { token, attempts, started_at } = held;
  return {
    id: row._id,
    stage,
    token,
    mark: randomUUID(),
    row,
    attempt: attempts,
    claimedAt: started_at ?? new Date(),
  };
}
