import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Outbox } from '../events/outbox.js';
import { Ledger } from './ledger.js';
import { stagePath } from './stage-path.js';
import { LostWorkers } from './lost-workers.js';
import { failedStage } from './stage-end.js';
import type { StageError, StageName, Upload } from './upload.schema.js';

/** What admins do to stages; whoever works on one meanwhile is fenced by it, or fences it. */
@Injectable()
export class StageByHand {
  constructor(
    private readonly ledger: Ledger,
    private readonly lostWorkers: LostWorkers,
    private readonly outbox: Outbox,
  ) {}

  /** As the sweep would: the stage is due again, or failed, where its worker's lease has run out. */
  async takeBack(row: Upload, stage: StageName): Promise<void> {
    await this.lostWorkers.takeBack(row, stage);
  }

  /** Ends a stage that waits or is worked on; the work in hand is fenced. False when it is in another state by now. */
  async fail(row: Upload, stage: StageName, error: StageError): Promise<boolean> {
    const seen = row.stages[stage];
    if (seen?.state !== 'due' && seen?.state !== 'processing') return false;
    const now = new Date();
    const failed = await this.ledger.change(
      {
        _id: row._id,
        state: 'committed',
        [stagePath(stage, 'state')]: seen.state,
        [stagePath(stage, 'token')]: seen.token,
      },
      failedStage(this.outbox, row, stage, now, error, randomUUID()),
      [],
      true,
    );
    if (!failed) return false;
    const isRunning = seen.state === 'processing';
    await this.ledger.record({
      upload_id: row._id,
      stage,
      number: seen.attempts,
      worker: isRunning ? seen.worker : null,
      from: isRunning ? seen.started_at : null,
      to: now,
      outcome: 'failed',
      error,
      correlation_id: row.correlation_id,
    });
    return true;
  }

  /** Nothing more is to come of a failed stage; its bytes go with the next cleanup. False when it is in another state by now. */
  async dismiss(row: Upload, stage: StageName, by: string): Promise<boolean> {
    return this.ledger.change(
      {
        _id: row._id,
        state: 'committed',
        [stagePath(stage, 'state')]: 'failed',
        [stagePath(stage, 'dismissed_at')]: { $exists: false },
      },
      { [stagePath(stage, 'dismissed_at')]: new Date(), [stagePath(stage, 'dismissed_by')]: by },
    );
  }
}
