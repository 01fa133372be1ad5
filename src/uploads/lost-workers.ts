import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { WORKER_LOST } from './ledger-errors.js';
import { StageLedger } from './stage-ledger.js';
import type { Verdict } from './stage-ledger.js';
import type { StageName, Upload } from './upload.schema.js';

/** Takes stages back whose worker's lease has run out, and counts each once, whoever asks. */
@Injectable()
export class LostWorkers {
  constructor(
    private readonly stages: StageLedger,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /** The stage is due again, or failed. Null when it is in another state by now. */
  async takeBack(row: Upload, stage: StageName): Promise<Verdict | null> {
    const verdict = await this.stages.reclaim(row, stage);
    if (!verdict) return null;
    this.metrics.jobs.labels(stage, 'lost').inc();
    if (verdict.outcome === 'failed') this.metrics.jobs.labels(stage, 'failed').inc();
    this.metrics.failures.labels(stage, WORKER_LOST.code).inc();
    const line = { upload_id: row._id.toHexString(), stage, ...verdict };
    this.log.pino.warn(line, 'Stage taken back from a lost worker');
    return verdict;
  }
}
