import { Injectable } from '@nestjs/common';
import { Ledger, stageIn, stagePath } from '../uploads/ledger.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName, StageState } from '../uploads/upload.schema.js';

export type WaitingState = Exclude<StageState, 'done'>;

export interface QueueDepth {
  stage: StageName;
  depth: Record<WaitingState, number>;
  /** Seconds that the stage which is due the longest has waited; 0 when none is. */
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
    const [due, processing, failed, oldestWaitS] = await Promise.all([
      this.count(stage, 'due'),
      this.count(stage, 'processing'),
      this.count(stage, 'failed'),
      this.oldestWaitS(stage),
    ]);
    return { stage, depth: { due, processing, failed }, oldestWaitS };
  }

  /** Without failed ones that an admin has dismissed: nobody is to look at those any more. */
  private count(stage: StageName, state: WaitingState): Promise<number> {
    return this.ledger.rows.countDocuments({
      state: 'committed',
      ...stageIn(stage, state),
      [stagePath(stage, 'dismissed_at')]: { $exists: false },
    });
  }

  private async oldestWaitS(stage: StageName): Promise<number> {
    const [oldest] = await this.ledger.rows
      .find({ state: 'committed', ...stageIn(stage, 'due') })
      .sort({ [stagePath(stage, 'due_at')]: 1 })
      .limit(1)
      .toArray();
    const dueAt = oldest?.stages[stage]?.due_at.getTime() ?? Date.now();
    return Math.max(0, (Date.now() - dueAt) / 1000);
  }
}
