import { Module } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { InterviewSession, InterviewSessionSchema } from './session.schema.js';
import { SessionRepository } from './session.repository.js';
import { SessionsService } from './sessions.service.js';

@Module({
  imports: [
    MongooseModule.forFeature([{ name: InterviewSession.name, schema: InterviewSessionSchema }]),
    UploadsModule,
    IdempotencyModule,
  ],
  providers: [SessionRepository, SessionsService],
  exports: [SessionRepository, SessionsService],
})
export class SessionsModule {}
