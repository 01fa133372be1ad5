import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { SweepModule } from '../sweep/sweep.module.js';
import { ArchiveHandler } from './archive.handler.js';
import { ArchiveSweep } from './archive.sweep.js';

/** For processes that put things right by hand too. */
@Module({ imports: [UploadsModule, SweepModule], providers: [ArchiveSweep] })
export class ArchiveSweepModule {}

@Module({ imports: [UploadsModule, QueueModule, ArchiveSweepModule], providers: [ArchiveHandler] })
export class ArchiveModule {}
