import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationBootstrap, OnModuleInit } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { AdminModule } from './admin/admin.module.js';
import { AlertWatch } from './alerts/alert.watch.js';
import { AlertsModule } from './alerts/alerts.module.js';
import { AnalysisModule } from './analysis/analysis.module.js';
import { ArchiveModule, ArchiveSweepModule } from './archive/archive.module.js';
import { AnswersController } from './answers/answers.controller.js';
import { AnswersModule } from './answers/answers.module.js';
import { AuthModule } from './auth/auth.module.js';
import { PageCookieController } from './auth/page-cookie.controller.js';
import { CommonModule } from './common/common.module.js';
import { HealthRegistry } from './common/health.js';
import { endWritesOfEndedConnections } from './common/mongo-driver.js';
import { Config } from './config/config.js';
import { ConfigModule } from './config/config.module.js';
import { IdempotencyModule } from './idempotency/idempotency.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { OpsModule } from './ops/ops.module.js';
import { QueueModule } from './queue/queue.module.js';
import { StageWorker } from './queue/stage-worker.js';
import { WorkerPresence } from './queue/worker-presence.js';
import { RecoveryModule } from './recovery/recovery.module.js';
import { RepairController } from './recovery/repair.controller.js';
import { VerifyController } from './recovery/verify.controller.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SweepModule } from './sweep/sweep.module.js';
import { SweepScheduler } from './sweep/sweep.scheduler.js';
import { TranscriptionModule } from './transcription/transcription.module.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsModule } from './uploads/uploads.module.js';
import { WebhookQueue } from './webhooks/webhook.queue.processor.js';
import { WebhookSender } from './webhooks/webhook.sender.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

export type Role = 'api' | 'worker' | 'all';

/** How long MongoDB is looked for before a request is answered with 503. */
const SERVER_SELECTION_TIMEOUT_MS = 3000;
const HEARTBEAT_MS = 2000;
const HEARTBEAT_TIMEOUT_MS = 3000;
/** How long a request waits for one of the connections. */
const CONNECTION_WAIT_MS = 10_000;
/** A command that stays without an answer for so long has lost its connection: who made it may hold a lease or the sweep's lock. */
const COMMAND_TIMEOUT_MS = 300_000;

/** What processes of every role have. */
const foundation = [
  CommonModule,
  MongooseModule.forRootAsync({
    useFactory: (config: Config) => {
      endWritesOfEndedConnections();
      return {
        uri: config.MONGODB_URI ?? undefined,
        dbName: config.MONGODB_DB,
        autoIndex: false,
        autoCreate: false,
        // An acknowledged write survives: journaled, by a majority.
        writeConcern: { w: 'majority' as const, journal: true },
        serverSelectionTimeoutMS: SERVER_SELECTION_TIMEOUT_MS,
        // One that hangs is noticed when its heartbeat does: what waits for it fails then, instead of hanging with it.
        heartbeatFrequencyMS: HEARTBEAT_MS,
        connectTimeoutMS: HEARTBEAT_TIMEOUT_MS,
        waitQueueTimeoutMS: CONNECTION_WAIT_MS,
        // An address that names a limit of its own has it.
        ...(config.MONGODB_URI?.includes('socketTimeoutMS=') ? {} : { socketTimeoutMS: COMMAND_TIMEOUT_MS }),
        maxPoolSize: 50,
      };
    },
    inject: [Config],
  }),
  AuthModule,
  LimitsModule,
  OpsModule,
  UploadsModule,
  QueueModule,
  SessionsModule,
  AnswersModule,
  WebhooksModule,
  AlertsModule,
];

/** The routes. Any number of such processes can stand behind a balancer. */
@Module({
  imports: [...foundation, IdempotencyModule, SweepModule, ArchiveSweepModule, RecoveryModule, AdminModule],
  controllers: [
    SessionsController,
    AnswersController,
    UploadsController,
    PageCookieController,
    VerifyController,
    RepairController,
    WebhooksController,
  ],
})
export class ApiModule implements OnModuleInit, OnApplicationBootstrap {
  constructor(
    private readonly health: HealthRegistry,
    private readonly presence: WorkerPresence,
    private readonly alerts: AlertWatch,
  ) {}

  onModuleInit(): void {
    // Answers are taken without a worker; they wait.
    this.health.register('workers', () => this.presence.check(), { required: false });
  }

  onApplicationBootstrap(): void {
    this.alerts.start();
  }
}

/** The stages and the sweep. Has /health and /metrics of its own, and no other route. */
@Module({ imports: [...foundation, TranscriptionModule, AnalysisModule, ArchiveModule, SweepModule, RecoveryModule] })
export class WorkerModule implements OnApplicationBootstrap {
  constructor(
    private readonly worker: StageWorker,
    private readonly sweeps: SweepScheduler,
    private readonly presence: WorkerPresence,
    private readonly webhooks: WebhookQueue,
    private readonly sender: WebhookSender,
    private readonly alerts: AlertWatch,
  ) {}

  onApplicationBootstrap(): void {
    this.worker.start();
    this.webhooks.start((webhookId) => this.sender.wake(webhookId));
    this.sweeps.start();
    this.alerts.start();
    this.presence.start(this.worker.id);
  }
}

@Module({})
export class AppModule {
  /** @param config with the addresses of MongoDB and Redis, given or embedded */
  static forRole(role: Role, config: Config): DynamicModule {
    const roles = { api: [ApiModule], worker: [WorkerModule], all: [ApiModule, WorkerModule] };
    return { module: AppModule, imports: [ConfigModule.with(config), ...roles[role]] };
  }
}
