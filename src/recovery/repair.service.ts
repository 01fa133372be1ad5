import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { ConflictError, NotFoundError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { isMongoAway } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Sweeper } from '../sweep/sweeper.js';
import { LedgerNotes } from '../uploads/ledger-notes.js';
import type { Finding } from './finding.js';
import type { PlannedFinding, VerifyPlan } from './plan.schema.js';
import { Repairs } from './repairs.js';
import type { RepairAction } from './repairs.js';

/** Results that a report names; its counts have all. */
const MOST_NAMED = 1000;

export interface RepairResult {
  category: Finding['category'];
  upload_id: string | null;
  file_id: string | null;
  action: RepairAction;
}

export interface RepairReport {
  plan_id: string;
  dry_run: boolean;
  counts: Record<RepairAction, number>;
  results: RepairResult[];
}

/** Puts right what a verification found, one finding after the other. Safe to repeat: what is right by now is left alone. */
@Injectable()
export class RepairService {
  private readonly plans: mongo.Collection<VerifyPlan>;
  private readonly planned: mongo.Collection<PlannedFinding>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly repairs: Repairs,
    private readonly sweeper: Sweeper,
    private readonly notes: LedgerNotes,
    private readonly log: Log,
  ) {
    this.plans = nativeCollection<VerifyPlan>(connection, 'verify_plans');
    this.planned = nativeCollection<PlannedFinding>(connection, 'verify_findings');
  }

  /**
   * @param dryRun says what would be done, and does nothing
   * @throws NotFoundError for a plan that is not there (any more); ConflictError for one that was not finished
   */
  async repair(planId: string, dryRun: boolean): Promise<RepairReport> {
    const _id = new mongo.ObjectId(planId);
    const plan = await this.plans.findOne({ _id });
    if (!plan) throw new NotFoundError('Plan');
    if (plan.finished_at === null)
      throw new ConflictError('plan_unfinished', 'That verification was not finished; please verify again');
    // What the sweep would do anyway, it does now; each finding then tells whether it helped.
    if (!dryRun && (plan.counts.stuck ?? 0) > 0) {
      await this.sweeper.sweep();
      await this.notes.flush();
    }
    const counts = { quarantined: 0, failed: 0, finished: 0, left: 0, unchanged: 0 };
    const report: RepairReport = { plan_id: planId, dry_run: dryRun, counts, results: [] };
    for await (const { finding } of this.planned.find({ plan_id: _id }, { sort: { _id: 1 }, batchSize: 200 })) {
      const action = await this.act(finding, dryRun);
      counts[action] += 1;
      if (report.results.length < MOST_NAMED) report.results.push({ ...namesOf(finding), action });
    }
    this.log.pino.warn({ plan_id: planId, dry_run: dryRun, ...counts }, 'Repaired by a plan');
    return report;
  }

  /** One finding's trouble must not keep those behind it, nor lose what was done about those before it. */
  private async act(finding: Finding, dryRun: boolean): Promise<RepairAction> {
    try {
      return await this.repairs.act(finding, dryRun);
    } catch (error) {
      if (isMongoAway(error)) throw error;
      this.log.pino.warn({ err: error, ...namesOf(finding) }, 'Finding not repaired');
      return 'left';
    }
  }
}

function namesOf(finding: Finding): Pick<RepairResult, 'category' | 'upload_id' | 'file_id'> {
  const { category, upload_id } = finding;
  return { category, upload_id, file_id: 'file_id' in finding ? finding.file_id : null };
}
