import { Module } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { EventsModule } from '../events/events.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { ArchiveWrite, ArchiveWriteSchema } from './archive-write.schema.js';
import { ArchiveWrites } from './archive-writes.js';
import { AudioKeeper } from './audio.keeper.js';
import { AudioReader } from './audio.reader.js';
import { KeptAudio, KeptAudioSchema } from './kept-audio.schema.js';
import { AudioRemoval } from './audio-removal.js';
import { FailedUploads } from './failed-uploads.js';
import { Intake } from './intake.js';
import { LedgerNotes } from './ledger-notes.js';
import { Ledger } from './ledger.js';
import { LostWorkers } from './lost-workers.js';
import { AudioForm } from './multipart.js';
import { StageByHand } from './stage-by-hand.js';
import { StageLedger } from './stage-ledger.js';
import { UploadTargets } from './targets.js';
import { UploadEraser } from './upload.eraser.js';
import { Attempt, AttemptSchema, FinishedPiece, FinishedPieceSchema, Upload, UploadSchema } from './upload.schema.js';
import { UploadsService } from './uploads.service.js';

@Module({
  imports: [
    EventsModule,
    StorageModule,
    MongooseModule.forFeature([
      { name: Upload.name, schema: UploadSchema },
      { name: KeptAudio.name, schema: KeptAudioSchema },
      { name: ArchiveWrite.name, schema: ArchiveWriteSchema },
      { name: Attempt.name, schema: AttemptSchema },
      { name: FinishedPiece.name, schema: FinishedPieceSchema },
    ]),
  ],
  providers: [
    Ledger,
    LedgerNotes,
    AudioRemoval,
    ArchiveWrites,
    AudioKeeper,
    AudioReader,
    StageByHand,
    StageLedger,
    LostWorkers,
    FailedUploads,
    Intake,
    AudioForm,
    UploadTargets,
    UploadEraser,
    UploadsService,
  ],
  exports: [
    EventsModule,
    StorageModule,
    Ledger,
    LedgerNotes,
    AudioRemoval,
    ArchiveWrites,
    AudioKeeper,
    AudioReader,
    StageByHand,
    StageLedger,
    LostWorkers,
    FailedUploads,
    Intake,
    AudioForm,
    UploadTargets,
    UploadEraser,
    UploadsService,
  ],
})
export class UploadsModule {}
