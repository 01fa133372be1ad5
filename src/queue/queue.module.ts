import { BullModule, getQueueToken } from '@nestjs/bull';
import { Module } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { Queue, QueueOptions } from 'bull';
import { Config } from '../config/config.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { Dispatcher } from './dispatcher.js';
import { ALL_QUEUES, LEDGER_BACKOFF, ledgerBackoff } from './queues.js';
import { QueueDepths } from './queue-depths.js';
import { QueueMetrics } from './queue-metrics.js';
import { QueuePace } from './queue-pace.js';
import { closeQueue } from './queue-stop.js';
import { StageRestart } from './stage-restart.js';
import { StageWorker } from './stage-worker.js';
import { WorkerPresence } from './worker-presence.js';

function queueOptions(config: Config): QueueOptions {
  const redis = {
    host: config.REDIS_HOST ?? '127.0.0.1',
    port: config.REDIS_PORT,
    password: config.REDIS_PASSWORD ?? undefined,
  };
  const leaseMs = config.STAGE_LEASE_S * 1000;
  return {
    ...(config.REDIS_URL === null ? { redis } : { url: config.REDIS_URL }),
    prefix: `${config.REDIS_PREFIX}:bull`,
    settings: {
      lockDuration: leaseMs,
      stalledInterval: leaseMs,
      // The ledger counts attempts; Bull must not end a job that the ledger would still try.
      maxStalledCount: 1_000_000,
      backoffStrategies: { [LEDGER_BACKOFF]: ledgerBackoff },
    },
  };
}

@Module({
  imports: [
    UploadsModule,
    BullModule.forRootAsync({ useFactory: queueOptions, inject: [Config] }),
    BullModule.registerQueue(...ALL_QUEUES.map((name) => ({ name }))),
  ],
  providers: [Dispatcher, QueuePace, QueueDepths, QueueMetrics, StageRestart, StageWorker, WorkerPresence],
  exports: [BullModule, Dispatcher, QueueDepths, QueuePace, StageRestart, StageWorker, WorkerPresence],
})
export class QueueModule implements OnModuleInit {
  constructor(private readonly modules: ModuleRef) {}

  /** The stage worker and the sweep have seen to their jobs before Nest closes the queues. */
  onModuleInit(): void {
    for (const name of ALL_QUEUES) {
      const queue = this.modules.get<Queue & OnApplicationShutdown>(getQueueToken(name), { strict: false });
      queue.onApplicationShutdown = () => closeQueue(queue);
    }
  }
}
