import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { UploadKind } from '../uploads/upload.schema.js';
import { QueueDepths } from './queue-depths.js';
import { WorkerPresence } from './worker-presence.js';

const KINDS: readonly UploadKind[] = ['answer'];

/** Queue depth, oldest wait and workers at each scrape. */
@Injectable()
export class QueueMetrics implements OnModuleInit {
  constructor(
    private readonly depths: QueueDepths,
    private readonly presence: WorkerPresence,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    const { queueDepth, queueOldestWait, workers } = this.metrics;
    this.beginAtZero();
    this.metrics.onScrape(() => this.collect(), queueDepth, queueOldestWait);
    this.metrics.onScrape(async () => workers.set(await this.presence.alive()), workers);
  }

  /** A counter that comes up with its first failures has no increase for Prometheus. */
  private beginAtZero(): void {
    for (const stage of STAGES)
      for (const outcome of ['done', 'failed', 'lost']) this.metrics.jobs.labels(stage, outcome).inc(0);
    for (const kind of KINDS)
      for (const outcome of ['committed', 'duplicate', 'failed']) this.metrics.uploads.labels(outcome, kind).inc(0);
  }

  private async collect(): Promise<void> {
    for (const { stage, depth, oldestWaitS } of await this.depths.read()) {
      for (const [state, count] of Object.entries(depth)) this.metrics.queueDepth.labels(stage, state).set(count);
      this.metrics.queueOldestWait.labels(stage).set(oldestWaitS);
    }
  }
}
