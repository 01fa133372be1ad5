import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { Log } from '../common/logging.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { CATEGORIES } from './finding.js';
import type { Category, FileWithoutRecord, Finding, HashMismatch, RecordWithoutFile, Stuck } from './finding.js';
import type { PlannedFinding, VerifyPlan } from './plan.schema.js';
import { Verifier } from './verifier.js';
import type { Looked } from './verifier.js';

/** Findings of a category that the report names; its counts and its plan have all of them. */
export const MOST_NAMED = 1000;
const WRITTEN_AT_ONCE = 200;

export interface VerifyReport {
  files_without_records: FileWithoutRecord[];
  records_without_files: RecordWithoutFile[];
  hash_mismatches: HashMismatch[];
  stuck: Stuck[];
  counts: Record<Category, number>;
  checked: Looked;
  deep: boolean;
  started_at: Date;
  finished_at: Date;
  plan_id: string;
}

/** Verifies and keeps what was found as a plan, by whose id a repair asks for exactly this. */
@Injectable()
export class VerifyService {
  private readonly plans: mongo.Collection<VerifyPlan>;
  private readonly planned: mongo.Collection<PlannedFinding>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly verifier: Verifier,
    private readonly log: Log,
  ) {
    this.plans = nativeCollection<VerifyPlan>(connection, 'verify_plans');
    this.planned = nativeCollection<PlannedFinding>(connection, 'verify_findings');
  }

  /** @param deep reads and hashes every stored file */
  async verify(deep: boolean): Promise<VerifyReport> {
    const started_at = new Date();
    const planId = new mongo.ObjectId();
    const counts = Object.fromEntries(CATEGORIES.map((category) => [category, 0])) as Record<Category, number>;
    const checked: Looked = { files: 0, records: 0, hashed_bytes: 0 };
    const report: VerifyReport = {
      files_without_records: [],
      records_without_files: [],
      hash_mismatches: [],
      stuck: [],
      counts,
      checked,
      deep,
      started_at,
      finished_at: started_at,
      plan_id: planId.toHexString(),
    };
    await this.plans.insertOne({ _id: planId, deep, started_at, finished_at: null, counts: { ...counts } });
    let unwritten: Finding[] = [];
    for await (const finding of this.verifier.findings({ deep }, checked)) {
      counts[finding.category] += 1;
      const named: Finding[] = report[finding.category];
      if (named.length < MOST_NAMED) named.push(finding);
      if (unwritten.push(finding) >= WRITTEN_AT_ONCE) {
        await this.write(planId, unwritten);
        unwritten = [];
      }
    }
    await this.write(planId, unwritten);
    report.finished_at = new Date();
    await this.plans.updateOne({ _id: planId }, { $set: { finished_at: report.finished_at, counts } });
    this.log.pino.info({ plan_id: report.plan_id, deep, checked, counts }, 'Ledger and stored bytes compared');
    return report;
  }

  private async write(plan_id: mongo.ObjectId, findings: Finding[]): Promise<void> {
    if (findings.length === 0) return;
    const found_at = new Date();
    await this.planned.insertMany(
      findings.map((finding) => ({ _id: new mongo.ObjectId(), plan_id, found_at, finding })),
    );
  }
}
