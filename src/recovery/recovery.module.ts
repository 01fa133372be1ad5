import { Module } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { AnswersModule } from '../answers/answers.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { QueueModule } from '../queue/queue.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SweepModule } from '../sweep/sweep.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { Adopter } from './adopter.js';
import { Inventory } from './inventory.js';
import { OldAudioReader } from './old-audio.reader.js';
import { PlannedFinding, PlannedFindingSchema, VerifyPlan, VerifyPlanSchema } from './plan.schema.js';
import { LinkVerifier } from './link.verifier.js';
import { LostAudio } from './lost-audio.js';
import { Quarantine } from './quarantine.js';
import { Quarantined, QuarantinedSchema } from './quarantine.schema.js';
import { Recovery } from './recovery.js';
import { RepairService } from './repair.service.js';
import { Repairs } from './repairs.js';
import { StrayFiles } from './stray-files.js';
import { StuckEndings } from './stuck-endings.js';
import { StuckRows } from './stuck-rows.js';
import { KeptAudioQuarantine } from './kept-audio.quarantine.js';
import { KeptAudioVerifier } from './kept-audio.verifier.js';
import { Verifier } from './verifier.js';
import { VerifyService } from './verify.service.js';

@Module({
  imports: [
    AuditModule,
    UploadsModule,
    SweepModule,
    QueueModule,
    SessionsModule,
    AnswersModule,
    MongooseModule.forFeature([
      { name: VerifyPlan.name, schema: VerifyPlanSchema },
      { name: PlannedFinding.name, schema: PlannedFindingSchema },
      { name: Quarantined.name, schema: QuarantinedSchema },
    ]),
  ],
  providers: [
    Inventory,
    StuckEndings,
    StuckRows,
    KeptAudioQuarantine,
    KeptAudioVerifier,
    LinkVerifier,
    Repairs,
    RepairService,
    Verifier,
    VerifyService,
    Quarantine,
    LostAudio,
    Recovery,
    OldAudioReader,
    Adopter,
    StrayFiles,
  ],
  exports: [AuditModule, VerifyService, RepairService, Recovery, Adopter],
})
export class RecoveryModule {}
