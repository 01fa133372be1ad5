import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { AudioCleanup } from './audio-cleanup.js';
import { RareSteps } from './rare-steps.js';
import { SweepScheduler } from './sweep.scheduler.js';
import { LostJobs } from './lost-jobs.js';
import { Sweeper } from './sweeper.js';

@Module({
  imports: [UploadsModule, QueueModule, SessionsModule],
  providers: [LostJobs, Sweeper, AudioCleanup, RareSteps, SweepScheduler],
  exports: [Sweeper, AudioCleanup, SweepScheduler],
})
export class SweepModule {}
