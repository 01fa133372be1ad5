import { statfs } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
import { databaseSpace } from '../common/database-space.js';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';

/**
 * Space at each scrape: under DATA_DIR, for scratch files of every process and the embedded databases of a laptop, and on the disk of
 * MongoDB, where that tells.
 */
@Injectable()
export class DiskMetrics implements OnModuleInit {
  constructor(
    @InjectConnection() private readonly connection: Connection,
    private readonly metrics: Metrics,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    const { diskFree, diskSize, databaseFree, databaseSize } = this.metrics;
    this.metrics.onScrape(
      async () => {
        const { bavail, blocks, bsize } = await statfs(this.config.DATA_DIR);
        diskFree.set(bavail * bsize);
        diskSize.set(blocks * bsize);
      },
      diskFree,
      diskSize,
    );
    this.metrics.onScrape(
      async () => {
        const space = await databaseSpace(this.connection);
        if (!space) return;
        databaseFree.labels('mongodb').set(space.free);
        databaseSize.labels('mongodb').set(space.size);
      },
      databaseFree,
      databaseSize,
    );
  }
}
