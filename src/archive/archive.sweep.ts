import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { Archives } from '../storage/archives.js';
import { SweepScheduler } from '../sweep/sweep.scheduler.js';
import { Sweeper } from '../sweep/sweeper.js';
import { ArchiveWrites } from '../uploads/archive-writes.js';
import { AudioKeeper } from '../uploads/audio.keeper.js';
import { ARCHIVE_FOLDERS } from './archive-key.js';

const HOUR_MS = 3_600_000;

/** What the sweep finishes of the archive: references that end, what attempts left, and uploads to S3 that were cut short. */
@Injectable()
export class ArchiveSweep implements OnModuleInit {
  constructor(
    private readonly sweeper: Sweeper,
    private readonly scheduler: SweepScheduler,
    private readonly keeper: AudioKeeper,
    private readonly writes: ArchiveWrites,
    private readonly archives: Archives,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.sweeper.also('kept_audio_releases', (...how) => this.keeper.releaseOverdue(...how));
    this.sweeper.also('kept_audio_unlinked', (...how) => this.keeper.collectUnlinked(...how));
    this.sweeper.also('archive_leftovers', (...how) => this.writes.empty(...how));
    this.scheduler.addRare((signal) => this.removeAbandoned(signal));
  }

  private async removeAbandoned(signal: AbortSignal): Promise<void> {
    const before = new Date(Date.now() - this.config.S3_ABANDONED_UPLOAD_H * HOUR_MS);
    const archive = this.archives.of(this.archives.name);
    let count = 0;
    for (const under of ARCHIVE_FOLDERS) if (!signal.aborted) count += await archive.removeAbandoned({ before, under });
    if (count > 0) this.log.pino.info({ count }, 'Multipart uploads removed that were cut short');
  }
}
