import { Module } from '@nestjs/common';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { QueueModule } from '../queue/queue.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { AnalyzeService } from './analyze.service.js';
import { AnswerTarget } from './answer.target.js';
import { AnswersService } from './answers.service.js';
import { StatusService } from './status.service.js';
import { Takes } from './takes.js';

@Module({
  imports: [UploadsModule, QueueModule, SessionsModule, IdempotencyModule],
  providers: [AnswersService, StatusService, AnalyzeService, Takes, AnswerTarget],
  exports: [AnswersService, StatusService, AnalyzeService],
})
export class AnswersModule {}
