import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { SweepModule } from '../sweep/sweep.module.js';
import { ArchiveHandler } from './archive.handler.js';
import { ArchiveSweep } from './archive.sweep.js';

@Module({ imports: [UploadsModule, QueueModule, SweepModule], providers: [ArchiveHandler, ArchiveSweep] })
export class ArchiveModule {}
