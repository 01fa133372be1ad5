import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import type { AppError } from '../common/app-error.js';
import { grouped } from '../common/grouped.js';
import { Config } from '../config/config.js';
import { Outbox } from '../events/outbox.js';
import { attemptOf, backoffMs } from './attempt-of.js';
import { LedgerNotes } from './ledger-notes.js';
import { Ledger, stagePath } from './ledger.js';
import { owedByRow } from './row-events.js';
import { endedStage, failedStage } from './stage-end.js';
import type { Stage, StageError, StageName, Upload } from './upload.schema.js';
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

/** A stage that is asked for, and who wants to know its row. */
interface Asked {
  readonly id: mongo.ObjectId;
  readonly seen: ((row: Upload) => void) | undefined;
}

/** What a claim sets of a stage. */
type Hold = Pick<Stage, 'state' | 'token' | 'lease_until' | 'worker'> & { readonly started_at: Date };

/** What becomes of a stage whose attempt did not succeed. */
export type Verdict = { outcome: 'retry'; dueAt: Date } | { outcome: 'failed' };

/** Bull may start a delayed job a little before the ledger's time. */
const EARLY_MS = 250;

/** The states of stages: due → processing → done or failed, each step a conditional update (DESIGN: claim, then fence). */
@Injectable()
export class StageLedger {
  private readonly leaseMs: number;
  private readonly takes = new Map<string, (asked: Asked) => Promise<Upload | null>>();

  constructor(
    private readonly ledger: Ledger,
    private readonly notes: LedgerNotes,
    private readonly outbox: Outbox,
    private readonly config: Config,
  ) {
    this.leaseMs = config.STAGE_LEASE_S * 1000;
  }

  /**
   * Takes a due stage. What one worker takes at the same time is taken together.
   *
   * @param seen hears of the due row as soon as it is read; somebody else may still take it
   * @returns null if it is not due, or somebody else took it
   */
  async claim(
    id: mongo.ObjectId,
    stage: StageName,
    worker: string,
    seen?: (row: Upload) => void,
  ): Promise<Claim | null> {
    const key = `${stage} ${worker}`;
    let take = this.takes.get(key);
    if (!take) {
      take = grouped((asked: readonly Asked[]) => this.takeAll(asked, stage, worker));
      this.takes.set(key, take);
    }
    const row = await take({ id, seen });
    const held = row?.stages[stage];
    if (!row || !held?.token) return null;
    const { token, attempts, started_at } = held;
    return { id, stage, token, mark: randomUUID(), row, attempt: attempts, claimedAt: started_at ?? new Date() };
  }

  /** Read first, then taken: not by `findAndModify`, for which one of the engines that this runs on reads the whole collection. */
  private async takeAll(asked: readonly Asked[], stage: StageName, worker: string): Promise<(Upload | null)[]> {
    const now = new Date();
    const due: mongo.Filter<Upload> = {
      // An engine finds one by its id sooner than by a list of ids.
      _id: asked.length === 1 ? asked[0]!.id : { $in: asked.map(({ id }) => id) },
      state: 'committed',
      [stagePath(stage, 'state')]: 'due',
      [stagePath(stage, 'due_at')]: { $lte: new Date(now.getTime() + EARLY_MS) },
    };
    const found = await this.rowsOf(due);
    const hold: Hold = {
      state: 'processing',
      token: randomUUID(),
      lease_until: new Date(now.getTime() + this.leaseMs),
      worker,
      started_at: now,
    };
    const holding = found.size > 0 ? this.hold(found, due, stage, hold) : found;
    for (const { id, seen } of asked) {
      const row = found.get(id.toHexString());
      if (row) seen?.(row);
    }
    const ours = await holding;
    return asked.map(({ id }) => {
      const row = ours.get(id.toHexString()) ?? null;
      // One that was delivered twice is worked on once.
      ours.delete(id.toHexString());
      return row;
    });
  }

  private async rowsOf(filter: mongo.Filter<Upload>): Promise<Map<string, Upload>> {
    const rows = new Map<string, Upload>();
    for await (const row of this.ledger.rows.find(filter)) rows.set(row._id.toHexString(), row);
    return rows;
  }

  /** @returns those of the rows that were taken, as they are now */
  private async hold(
    found: Map<string, Upload>,
    due: mongo.Filter<Upload>,
    stage: StageName,
    hold: Hold,
  ): Promise<Map<string, Upload>> {
    const [first, ...others] = found.values();
    const { version } = first!;
    if (others.every((row) => row.version === version)) {
      // What nobody has changed since it was read is known without reading it again.
      const all = await this.take({ ...due, version }, stage, hold).then(
        (count) => count === found.size,
        () => false,
      );
      if (all) return new Map([...found].map(([id, row]) => [id, heldRow(row, stage, hold)]));
    }
    // Also where the answer to that was lost: what it took is not due any more, and has our token.
    await this.take(due, stage, hold);
    return this.rowsOf({ _id: due._id!, [stagePath(stage, 'token')]: hold.token });
  }

  private async take(due: mongo.Filter<Upload>, stage: StageName, hold: Hold): Promise<number> {
    const set = Object.entries(hold).map(([field, value]) => [stagePath(stage, field), value] as const);
    const { modifiedCount } = await this.ledger.rows.updateMany(due, {
      $set: { ...Object.fromEntries(set), updated_at: hold.started_at },
      $inc: { [stagePath(stage, 'attempts')]: 1, version: 1 },
      // A stage is dispatched only after its link was made.
      $unset: { link_due: 1 },
    });
    return modifiedCount;
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
    const stage = { ...(claim.row.stages[claim.stage] ?? dueStage(now)), state: 'done' as const, token: null };
    return {
      ...claim.row,
      ...result,
      version: claim.row.version + 1,
      stages: {
        ...claim.row.stages,
        [claim.stage]: stage,
        ...Object.fromEntries(next.map((name) => [name, dueStage(now)])),
      },
    };
  }

  /** The row as it is by now: kept audio is archived beside its analysis, so that what one stage leaves is not all there is. */
  async latest(row: Upload): Promise<Upload> {
    return row.retain_audio ? ((await this.ledger.find(row._id)) ?? row) : row;
  }

  /** The row as `fail` left it, without reading it again. */
  afterFailure(claim: Claim, error: StageError, verdict: Verdict): Upload {
    const next =
      verdict.outcome === 'retry' ? { state: 'due' as const, due_at: verdict.dueAt } : { state: 'failed' as const };
    const stage = { ...(claim.row.stages[claim.stage] ?? dueStage(new Date())), ...next, token: null, error };
    return { ...claim.row, version: claim.row.version + 1, stages: { ...claim.row.stages, [claim.stage]: stage } };
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

  /** Shutdown: the stage is due again at once, and the attempt is not counted. */
  async giveBack(claim: Claim): Promise<boolean> {
    const now = new Date();
    const set = {
      ...endedStage(claim.stage, 'due', now, null),
      [stagePath(claim.stage, 'due_at')]: now,
      [stagePath(claim.stage, 'attempts')]: claim.attempt - 1,
      projection_due: claim.mark,
    };
    const returned = await this.write(claim, set);
    if (returned) await this.ledger.record(attemptOf(claim, 'returned', null, now));
    return returned;
  }

  /** The worker went away: what its lease held is due again, or failed if that was the last attempt. */
  async reclaim(row: Upload, stage: StageName): Promise<Verdict | null> {
    const held = row.stages[stage];
    if (!held?.token) return null;
    const claim: Claim = {
      id: row._id,
      stage,
      token: held.token,
      mark: randomUUID(),
      row,
      attempt: held.attempts,
      claimedAt: held.started_at ?? new Date(),
    };
    const now = new Date();
    const left = held.attempts < this.config.STAGE_ATTEMPTS;
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
      { [`stages.${stage}`]: { ...dueStage(new Date()), dispatch }, projection_due: randomUUID() },
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

/** The row as the claim left it, without reading it again. */
function heldRow(row: Upload, stage: StageName, hold: Hold): Upload {
  const { link_due: _, ...rest } = row;
  const before = row.stages[stage] ?? dueStage(hold.started_at);
  const held = { ...before, ...hold, attempts: before.attempts + 1 };
  return {
    ...rest,
    version: row.version + 1,
    updated_at: hold.started_at,
    stages: { ...row.stages, [stage]: held },
  };
}
