import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
import { HealthRegistry } from '../common/health.js';
import { AppError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import type { AudioStore } from './audio-store.js';
import { GridFsAudioStore } from './gridfs.audio-store.js';
import type { S3AudioStore } from './s3.audio-store.js';

/** GridFS bucket of kept audio, beside `fs`, the landing zone. */
const BUCKET = 'archive';
const RETRY_AFTER_S = 30;

/** Where kept audio goes, and where it went under an earlier `AUDIO_ARCHIVE`. */
@Injectable()
export class Archives implements OnModuleInit, OnApplicationShutdown {
  /** Of what is archived now. */
  readonly name: 'gridfs' | 's3';
  private readonly gridfs: GridFsAudioStore;
  private s3: S3AudioStore | null = null;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly config: Config,
    private readonly health: HealthRegistry,
  ) {
    this.name = config.AUDIO_ARCHIVE;
    this.gridfs = new GridFsAudioStore(connection, BUCKET);
  }

  async onModuleInit(): Promise<void> {
    await this.gridfs.onModuleInit();
    if (this.config.S3_BUCKET !== null) {
      // Its client is a good part of what there is to load at a start: only for those who have a bucket.
      const { S3AudioStore } = await import('./s3.audio-store.js');
      this.s3 = new S3AudioStore(this.config);
    }
    // Uploads are taken, and transcribed, without the archive; it catches up.
    if (this.name === 's3')
      this.health.register('archive', () => this.of('s3').check().catch(unreachable), { required: false });
  }

  /** @throws AppError when it is no longer configured */
  of(name: 'gridfs' | 's3'): AudioStore {
    const store = name === 's3' ? this.s3 : this.gridfs;
    if (!store) throw new AppError('unavailable', 'archive_unknown', 'The archive of this audio is not configured');
    return store;
  }

  /** An archive's error as whoever asked is told of it: that it is away is nobody's fault, and is not MongoDB's being away. */
  translated(name: 'gridfs' | 's3', error: unknown): unknown {
    return this.of(name).isAway(error) ? away(error) : error;
  }

  onApplicationShutdown(): void {
    this.s3?.close();
  }
}

function unreachable(cause: unknown): never {
  throw away(cause);
}

function away(cause: unknown): AppError {
  const message = 'The archive of kept audio cannot be reached at the moment. Please try again.';
  return new AppError('unavailable', 'archive_away', message, { retryable: true, retryAfter: RETRY_AFTER_S, cause });
}
