import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getQueueToken } from '@nestjs/bull';
import type { Queue } from 'bull';
import { TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { ALL_QUEUES, jobIdOf, stageJobOptions } from './queues.js';
import type { StageJob } from './queues.js';

/** Jobs that wait in a queue which may be looked through. */
const SHORT = 50;

/** A row as far as its job names it; what is not known of its audio is read from the row later. */
type Dispatched = Pick<Upload, '_id' | 'correlation_id' | 'stages'> &
  Partial<Pick<Upload, 'user_id' | 'sha256' | 'file_id' | 'size'>>;

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

  /**
   * Hands a stage that is due to Bull, without waiting for Redis: its absence must not hold up an upload.
   *
   * @param dispatch its number: Bull ignores one that it knows
   * @param first whether it goes before those that wait
   */
  dispatch(row: Dispatched, stage: StageName, dispatch = 1, { first = false } = {}): void {
    const queue = this.queue(stage);
    // ioredis would keep the command until Redis is back, however many there are; the sweep costs nothing while it waits.
    if (queue.client.status !== 'ready') return;
    const uploadId = row._id.toHexString();
    const dueAt = row.stages[stage]?.due_at.getTime() ?? 0;
    queue
      .add(
        { upload_id: uploadId, correlation_id: row.correlation_id, ...audioOf(row, stage) },
        {
          ...stageJobOptions(
            jobIdOf(uploadId, stage, dispatch),
            this.config.STAGE_ATTEMPTS,
            this.config.STAGE_BACKOFF_S,
            Math.max(0, dueAt - Date.now()),
          ),
          lifo: first,
        },
      )
      .catch((error: unknown) => {
        this.log.pino.warn({ err: error, upload_id: uploadId, stage }, 'Stage not dispatched, the sweep will do it');
      });
  }

  /**
   * Which of these rows have a job that will still run, for the latest dispatch of the stage. One round trip, whatever the length
   * of the queue: Redis would go through the whole list to say where a job stands.
   *
   * @returns hex ids
   * @throws TransientError `redis_away`
   */
  async withLiveJob(rows: readonly Pick<Upload, '_id' | 'stages'>[], stage: StageName): Promise<Set<string>> {
    const queue = this.queue(stage);
    // Bull would wait for Redis, and the sweep with it.
    if (queue.client.status !== 'ready') throw new TransientError('redis_away', 'Redis cannot be reached');
    const pipeline = queue.client.pipeline().llen(queue.toKey('wait'));
    const jobs = rows.map(({ _id, stages }) => {
      const id = _id.toHexString();
      return { id, job: jobIdOf(id, stage, stages[stage]?.dispatch ?? 1) };
    });
    for (const { job } of jobs)
      pipeline.exists(queue.toKey(job)).zscore(queue.toKey('completed'), job).zscore(queue.toKey('failed'), job);
    const [waiting, ...seen] = valuesOf(await pipeline.exec());
    const live = jobs.filter((_, at) => seen[3 * at] === 1 && seen[3 * at + 1] === null && seen[3 * at + 2] === null);
    // A job that is known and stands in no list is seen only by looking through the lists, which are short by then.
    if (Number(waiting) > SHORT) return new Set(live.map(({ id }) => id));
    const listed = await this.listed(
      queue,
      live.map(({ job }) => job),
    );
    return new Set(live.filter(({ job }) => listed.has(job)).map(({ id }) => id));
  }

  /** Which of these jobs wait or run, at one moment: Bull's `getState` asks list by list, and misses a job that moves meanwhile. */
  private async listed(queue: Queue, jobs: readonly string[]): Promise<Set<string>> {
    const LISTS = ['wait', 'paused', 'active'];
    const transaction = queue.client.multi();
    for (const list of LISTS) transaction.lrange(queue.toKey(list), 0, -1);
    for (const job of jobs) transaction.zscore(queue.toKey('delayed'), job);
    const answers = valuesOf(await transaction.exec());
    const delayed = jobs.filter((_, at) => answers[LISTS.length + at] !== null);
    return new Set([...(answers.slice(0, LISTS.length) as string[][]).flat(), ...delayed]);
  }
}

function audioOf({ user_id, sha256, file_id, size }: Dispatched, stage: StageName): Pick<StageJob, 'audio'> {
  if (stage !== 'transcription' || user_id === undefined || sha256 === undefined || !file_id) return {};
  return { audio: { user_id, sha256, file_id: file_id.toHexString(), size: size ?? 0 } };
}

/** @throws the first error among the answers */
function valuesOf(answers: [Error | null, unknown][] | null): unknown[] {
  return (answers ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}
