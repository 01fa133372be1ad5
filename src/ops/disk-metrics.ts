import { statfs } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';

/** Space under DATA_DIR at each scrape: scratch files of every process, and the embedded databases of a laptop. */
@Injectable()
export class DiskMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.metrics.onScrape(async () => {
      const { bavail, blocks, bsize } = await statfs(this.config.DATA_DIR);
      this.metrics.diskFree.set(bavail * bsize);
      this.metrics.diskSize.set(blocks * bsize);
    });
  }
}
