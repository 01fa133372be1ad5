import { Injectable } from '@nestjs/common';
import { Ledger, stageIn, stagePath } from '../uploads/ledger.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName, StageState } from '../uploads/upload.schema.js';

export type WaitingState = Exclude<StageState, 'done'>;

export interface QueueDepth {
  stage: StageName;
  depth: Record<WaitingState, number>;
  /** Seconds that the stage has waited which waits the longest, through every try that failed; 0 when none waits. */
  oldestWaitS: number;
}

/** Stages in one state whose last try ended alike. */
interface Alike {
  /** Code of that try's error, null where there was none. */
  _id: string | null;
  count: number;
  waiting_since: Date | null;
  due_at: Date | null;
}

/** How much each queue holds, from the ledger: Redis may have been emptied, what is due has not. */
@Injectable()
export class QueueDepths {
  constructor(private readonly ledger: Ledger) {}

  read(): Promise<QueueDepth[]> {
    return Promise.all(STAGES.map((stage) => this.ofStage(stage)));
  }

  private async ofStage(stage: StageName): Promise<QueueDepth> {
    const [due, processing, failed] = await Promise.all([
      this.alike(stage, 'due'),
      this.alike(stage, 'processing'),
      this.alike(stage, 'failed'),
    ]);
    // What is tried once more waits on: else an engine that is down would end each wait by the try that fails. A first try may be long.
    const waiting = [...due, ...processing.filter(({ _id }) => _id !== null)];
    return {
      stage,
      depth: { due: total(due), processing: total(processing), failed: total(failed) },
      oldestWaitS: Math.max(0, ...waiting.map(waitS)),
    };
  }

  /** Without failed ones that an admin has dismissed: nobody is to look at those any more. */
  private alike(stage: StageName, state: WaitingState): Promise<Alike[]> {
    const the = (field: string) => `$${stagePath(stage, field)}`;
    return this.ledger.rows
      .aggregate<Alike>([
        {
          $match: {
            state: 'committed',
            ...stageIn(stage, state),
            [stagePath(stage, 'dismissed_at')]: { $exists: false },
          },
        },
        {
          $group: {
            _id: the('error.code'),
            count: { $sum: 1 },
            waiting_since: { $min: the('waiting_since') },
            due_at: { $min: the('due_at') },
          },
        },
      ])
      .toArray();
  }
}

const total = (groups: Alike[]): number => groups.reduce((sum, { count }) => sum + Number(count), 0);

/** The earlier of the two: a stage is due as soon as it waits, and later after each try. Rows of earlier versions have only the one. */
function waitS({ waiting_since, due_at }: Alike): number {
  const now = Date.now();
  return (now - Math.min(waiting_since?.getTime() ?? now, due_at?.getTime() ?? now)) / 1000;
}
