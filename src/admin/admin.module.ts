import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { QueueModule } from '../queue/queue.module.js';
import { SweepModule } from '../sweep/sweep.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { AdminUploadsController } from './admin-uploads.controller.js';
import { AdminUploads } from './admin-uploads.service.js';
import { AuditController } from './audit.controller.js';
import { CleanupController } from './cleanup.controller.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { DeadLetters } from './dead-letters.service.js';
import { OverviewController } from './overview.controller.js';
import { OverviewRepository } from './overview.repository.js';
import { OverviewService } from './overview.service.js';
import { QueueBoard } from './queue-board.js';
import { QueueBoardController } from './queue-board.controller.js';

/** What operators see and put right by hand. For processes that answer routes. */
@Module({
  imports: [UploadsModule, QueueModule, SweepModule, AuditModule, IdempotencyModule],
  controllers: [
    AdminUploadsController,
    AuditController,
    CleanupController,
    DeadLettersController,
    OverviewController,
    QueueBoardController,
  ],
  providers: [AdminUploads, DeadLetters, OverviewRepository, OverviewService, QueueBoard],
})
export class AdminModule {}
