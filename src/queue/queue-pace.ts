import { Injectable } from '@nestjs/common';
import { FastRedis } from '../common/redis.js';
import { Config } from '../config/config.js';
import type { StageName } from '../uploads/upload.schema.js';
import { Dispatcher } from './dispatcher.js';
import { smoothed } from './smoothed.js';

const UNKNOWN_S = 5;
const LEAST_S = 1;
const MOST_S = 30;
const FORGET_S = 3600;
/** How often a worker tells the others: fast jobs would write to Redis more than they work. */
const TELL_EVERY_MS = 500;

/** How fast the queues move: workers note how long runs took, the API estimates from it. Kept in Redis; without it, unknown. */
@Injectable()
export class QueuePace {
  private readonly averages = new Map<StageName, number>();
  private readonly told = new Map<StageName, number>();

  constructor(
    private readonly redis: FastRedis,
    private readonly dispatcher: Dispatcher,
    private readonly config: Config,
  ) {}

  /** A worker that runs `concurrency` jobs at once took `seconds` for one. */
  note(stage: StageName, seconds: number, concurrency: number): void {
    const next = smoothed(this.averages.get(stage), seconds);
    this.averages.set(stage, next);
    const now = performance.now();
    if (now - (this.told.get(stage) ?? -Infinity) < TELL_EVERY_MS) return;
    this.told.set(stage, now);
    this.redis.set(this.key(stage), (next / concurrency).toFixed(3), 'EX', FORGET_S).catch(() => undefined);
  }

  /** Seconds until `own` jobs of a session are likely done, 1 to 30; 5 when unknown. */
  async estimateS(stage: StageName, own: number): Promise<number> {
    try {
      const perJob = Number((await this.redis.get(this.key(stage))) ?? Number.NaN);
      if (!Number.isFinite(perJob)) return UNKNOWN_S;
      const { waiting, active } = await this.dispatcher.queue(stage).getJobCounts();
      return Math.min(MOST_S, Math.max(LEAST_S, Math.ceil(Math.max(own, waiting + active) * perJob)));
    } catch {
      return UNKNOWN_S;
    }
  }

  private key(stage: StageName): string {
    return `${this.config.REDIS_PREFIX}:pace:${stage}`;
  }
}
