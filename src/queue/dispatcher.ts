import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getQueueToken } from '@nestjs/bull';
import type { Job, Queue } from 'bull';
import { TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { ALL_QUEUES, jobIdOf, stageJobOptions } from './queues.js';
import type { StageJob } from './queues.js';

/**
 * Turns due stages into Bull jobs. It promises nothing: a job that could not be made, because Redis is away or the process
 * died, is made by the sweep.
 */
@Injectable()
export class Dispatcher {
  constructor(
    private readonly modules: ModuleRef,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  queue(stage: StageName): Queue<StageJob> {
    return this.modules.get<Queue<StageJob>>(getQueueToken(stage), { strict: false });
  }

  /** Every queue there is, for people to look at. */
  all(): Queue[] {
    return ALL_QUEUES.map((name) => this.modules.get<Queue>(getQueueToken(name), { strict: false }));
  }

  /** Hands a stage that is due to Bull, without waiting for Redis: its absence must not hold up an upload. */
  dispatch(row: Pick<Upload, '_id' | 'correlation_id' | 'stages'>, stage: StageName, dispatch = 1): void {
    const queue = this.queue(stage);
    // ioredis would keep the command until Redis is back, however many there are; the sweep costs nothing while it waits.
    if (queue.client.status !== 'ready') return;
    const uploadId = row._id.toHexString();
    const dueAt = row.stages[stage]?.due_at.getTime() ?? 0;
    queue
      .add(
        { upload_id: uploadId, correlation_id: row.correlation_id },
        stageJobOptions(
          jobIdOf(uploadId, stage, dispatch),
          this.config.STAGE_ATTEMPTS,
          this.config.STAGE_BACKOFF_S,
          Math.max(0, dueAt - Date.now()),
        ),
      )
      .catch((error: unknown) => {
        this.log.pino.warn({ err: error, upload_id: uploadId, stage }, 'Stage not dispatched, the sweep will do it');
      });
  }

  /** The live job of a stage's latest dispatch; null if Bull has none that will still run. Throws while Redis is away. */
  async liveJob(row: Upload, stage: StageName): Promise<Job<StageJob> | null> {
    const dispatch = row.stages[stage]?.dispatch ?? 1;
    // Bull would wait for Redis, and the sweep with it.
    if (this.queue(stage).client.status !== 'ready') throw new TransientError('redis_away', 'Redis cannot be reached');
    const job = await this.queue(stage).getJob(jobIdOf(row._id.toHexString(), stage, dispatch));
    if (!job) return null;
    const state = await job.getState();
    return state === 'completed' || state === 'failed' || state === 'stuck' ? null : job;
  }
}
