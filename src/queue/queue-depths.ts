import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Ledger } from '../uploads/ledger.js';
import { stageIn, stagePath } from '../uploads/stage-path.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName, StageState, Upload } from '../uploads/upload.schema.js';

export type WaitingState = Exclude<StageState, 'done'>;

export interface QueueDepth {
  stage: StageName;
  depth: Record<WaitingState, number>;
  /** Seconds that the stage has waited which waits the longest, through every try that failed; 0 when none waits. */
  oldestWaitS: number;
}

/** How much each queue holds, from the ledger: Redis may have been emptied, what is due has not. */
@Injectable()
export class QueueDepths {
  constructor(private readonly ledger: Ledger) {}

  read(): Promise<QueueDepth[]> {
    return Promise.all(STAGES.map((stage) => this.ofStage(stage)));
  }

  private async ofStage(stage: StageName): Promise<QueueDepth> {
    const [due, processing, failed, ...waitingSince] = await Promise.all([
      this.count(stage, 'due'),
      this.count(stage, 'processing'),
      this.count(stage, 'failed'),
      this.earliest(stage, stageIn(stage, 'due'), 'waiting_since'),
      // Rows of earlier versions tell only this: later than the other after each try.
      this.earliest(stage, stageIn(stage, 'due'), 'due_at'),
      // What is tried once more waits on: else an engine that is down would end each wait by the try that fails. A first try may be long.
      this.earliest(
        stage,
        { ...stageIn(stage, 'processing'), [stagePath(stage, 'error.code')]: { $gt: '' } },
        'waiting_since',
      ),
    ]);
    const now = Date.now();
    const since = Math.min(now, ...waitingSince.map((time) => time?.getTime() ?? now));
    return { stage, depth: { due, processing, failed }, oldestWaitS: (now - since) / 1000 };
  }

  /** Without failed ones that an admin has dismissed: nobody is to look at those any more. */
  private count(stage: StageName, state: WaitingState): Promise<number> {
    return this.ledger.rows.countDocuments({
      state: 'committed',
      ...stageIn(stage, state),
      [stagePath(stage, 'dismissed_at')]: { $exists: false },
    });
  }

  private async earliest(
    stage: StageName,
    which: mongo.Filter<Upload>,
    field: 'waiting_since' | 'due_at',
  ): Promise<Date | null> {
    const path = stagePath(stage, field);
    const filter = { state: 'committed' as const, [path]: { $gt: new Date(0) }, ...which };
    const row = await this.ledger.rows.findOne(filter, { sort: { [path]: 1 }, projection: { stages: 1 } });
    return row?.stages[stage]?.[field] ?? null;
  }
}
