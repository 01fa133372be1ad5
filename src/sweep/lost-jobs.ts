import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { raceAbort } from '../common/race-abort.js';
import { Config } from '../config/config.js';
import { Dispatcher } from '../queue/dispatcher.js';
import { Ledger } from '../uploads/ledger.js';
import { stagePath } from '../uploads/stage-path.js';
import { StageLedger } from '../uploads/stage-ledger.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';

/** Due stages that one sweep looks at, of each kind; the next one goes on where it ended. */
const MOST = 5000;
const BATCH = 200;
/** Longer than Redis takes for a batch: one that hangs must not hold up the sweep, which has more to do. */
const PATIENCE_MS = 5000;
/** A job that a worker takes ahead is over for Bull before its row says whose it is: what looks lost is given this time to be claimed. */
const CLAIM_MS = 1000;

type Waiting = Pick<Upload, '_id' | 'correlation_id' | 'stages'>;

/** Stages that are due and for which Bull has no job: Redis was away, emptied, or the process died in between. */
@Injectable()
export class LostJobs {
  /** When the last stage was due that a sweep has looked at, while there are more. */
  private readonly reached = new Map<StageName, Date>();

  constructor(
    private readonly ledger: Ledger,
    private readonly stages: StageLedger,
    private readonly dispatcher: Dispatcher,
    private readonly config: Config,
  ) {}

  /** Hands them to Bull again, and counts them. */
  async find(dryRun: boolean, signal: AbortSignal): Promise<number> {
    let count = 0;
    for (const stage of STAGES) count += await this.ofStage(stage, dryRun, signal);
    return count;
  }

  /** A job under another number, so that Bull does not take it for the one it once knew. False when the stage is not due any more. */
  async replace(row: Waiting, stage: StageName): Promise<boolean> {
    const dispatch = await this.stages.redispatch(row, stage);
    if (dispatch === null) return false;
    this.dispatcher.dispatch(row, stage, dispatch);
    return true;
  }

  private async ofStage(stage: StageName, dryRun: boolean, signal: AbortSignal): Promise<number> {
    const from = this.reached.get(stage) ?? new Date(0);
    const grace = new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000);
    const filter = {
      state: 'committed',
      // Links are finished first: a claim takes the mark of a missing link away.
      link_due: { $exists: false },
      [stagePath(stage, 'state')]: 'due',
      [stagePath(stage, 'due_at')]: { $gte: from, $lt: grace },
    } as mongo.Filter<Upload>;
    const due = this.ledger.rows.find<Waiting>(filter, {
      projection: { correlation_id: 1, [`stages.${stage}`]: 1 },
      sort: { [stagePath(stage, 'due_at')]: 1 },
      limit: MOST,
      batchSize: BATCH,
    });
    const lost: Waiting[] = [];
    let seen = 0;
    let batch: Waiting[] = [];
    const lookAt = async () => {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
      const live = batch.length > 0 ? await raceAbort(this.dispatcher.withLiveJob(batch, stage), inTime) : new Set();
      lost.push(...batch.filter(({ _id }) => !live.has(_id.toHexString())));
      batch = [];
    };
    this.reached.delete(stage);
    for await (const row of due) {
      if (signal.aborted) return 0;
      batch.push(row);
      if (++seen === MOST) this.reached.set(stage, row.stages[stage]?.due_at ?? new Date(0));
      if (batch.length === BATCH) await lookAt();
    }
    await lookAt();
    return dryRun ? lost.length : this.replaceAll(lost, stage, signal);
  }

  private async replaceAll(lost: readonly Waiting[], stage: StageName, signal: AbortSignal): Promise<number> {
    if (lost.length > 0) await pause(CLAIM_MS, undefined, { signal });
    let count = 0;
    for (const row of lost) if (!signal.aborted && (await this.replace(row, stage))) count += 1;
    return count;
  }
}
