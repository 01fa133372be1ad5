import { Injectable } from '@nestjs/common';
import { LedgerNotes } from '../uploads/ledger-notes.js';
import { Ledger } from '../uploads/ledger.js';
import { StageLedger } from '../uploads/stage-ledger.js';
import { UploadTargets } from '../uploads/targets.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { Dispatcher } from './dispatcher.js';

/** Has a stage run again: due in the ledger, shown as such, handed to Bull. */
@Injectable()
export class StageRestart {
  constructor(
    private readonly ledger: Ledger,
    private readonly notes: LedgerNotes,
    private readonly stages: StageLedger,
    private readonly targets: UploadTargets,
    private readonly dispatcher: Dispatcher,
  ) {}

  /**
   * @param from the state that the stage is expected in
   * @returns false when it was in another one by then, or its bytes are gone
   */
  async restart(row: Upload, stage: StageName, from: 'failed' | 'due' = 'failed'): Promise<boolean> {
    if (!(await this.stages.requeue(row, stage, from))) return false;
    const queued = await this.show(row);
    if (queued) this.dispatcher.dispatch(queued, stage, queued.stages[stage]?.dispatch);
    return true;
  }

  /** Reads a row that was changed by hand afresh, and has its target show it. Null when it is gone. */
  async show(row: Upload): Promise<Upload | null> {
    const fresh = await this.ledger.find(row._id);
    if (!fresh) return null;
    await this.targets.of(fresh).project(fresh);
    if (fresh.projection_due) this.notes.projected(fresh._id, fresh.projection_due);
    return fresh;
  }
}
