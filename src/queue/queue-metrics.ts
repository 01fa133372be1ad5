import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { QueueDepths } from './queue-depths.js';
import { WorkerPresence } from './worker-presence.js';

/** Queue depth, oldest wait and workers at each scrape. */
@Injectable()
export class QueueMetrics implements OnModuleInit {
  constructor(
    private readonly depths: QueueDepths,
    private readonly presence: WorkerPresence,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.onScrape(() => this.collect());
    this.metrics.onScrape(async () => this.metrics.workers.set(await this.presence.alive()));
  }

  private async collect(): Promise<void> {
    for (const { stage, depth, oldestWaitS } of await this.depths.read()) {
      for (const [state, count] of Object.entries(depth)) this.metrics.queueDepth.labels(stage, state).set(count);
      this.metrics.queueOldestWait.labels(stage).set(oldestWaitS);
    }
  }
}
