import { Module } from '@nestjs/common';
import { ConnectionChecks } from './connection.checks.js';
import { DiskMetrics } from './disk-metrics.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';

/** Health and metrics, for processes of every role. Needs `CommonModule`, `LimitsModule` (for Redis) and the MongoDB connection. */
@Module({ controllers: [HealthController, MetricsController], providers: [ConnectionChecks, DiskMetrics] })
export class OpsModule {}
