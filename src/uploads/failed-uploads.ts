import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Ledger } from './ledger.js';
import type { StageError, Upload } from './upload.schema.js';

/** What did not arrive whole has failed; whatever else ends an upload has refused it. */
const NOT_WHOLE = new Set(['upload_interrupted', 'upload_timeout', 'upload_expired']);

/** Ends uploads that are not to count, and counts each once: where the ledger says so. */
@Injectable()
export class FailedUploads {
  constructor(
    private readonly ledger: Ledger,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /** @returns false when somebody else has closed the row, and counted it; its bytes are the caller's to remove otherwise */
  async close({ _id, kind }: Pick<Upload, '_id' | 'kind'>, error: StageError): Promise<boolean> {
    if (!(await this.ledger.failUpload(_id, error))) return false;
    this.count(kind, error);
    this.log.pino.info({ upload_id: _id.toHexString(), code: error.code }, 'Upload refused');
    return true;
  }

  count(kind: Upload['kind'], { code }: StageError): void {
    this.metrics.uploads.labels(NOT_WHOLE.has(code) ? 'failed' : 'refused', kind).inc();
    this.metrics.failures.labels('upload', code).inc();
  }
}
