import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { FastRedis } from '../common/redis.js';
import { Config } from '../config/config.js';

const BEAT_MS = 5000;
/** A worker that was not heard of for so long is gone. */
const GONE_MS = 20_000;

/** Which workers there are: each says so in Redis, so that an API process can tell whether anybody works. */
@Injectable()
export class WorkerPresence implements OnApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private worker: string | null = null;
  private readonly key: string;

  constructor(
    private readonly redis: FastRedis,
    config: Config,
  ) {
    this.key = `${config.REDIS_PREFIX}:workers`;
  }

  start(worker: string): void {
    this.worker = worker;
    const beat = () => void this.redis.zadd(this.key, Date.now(), worker).catch(() => undefined);
    this.timer = setInterval(beat, BEAT_MS);
    if (this.redis.status === 'ready') beat();
    else this.redis.once('ready', beat);
  }

  /** How many workers were heard of lately. Rejects with whatever Redis fails with. */
  alive(): Promise<number> {
    return this.redis.zcount(this.key, Date.now() - GONE_MS, '+inf');
  }

  /**
   * @returns how many workers there are, in words
   * @throws AppError when there is none; whatever Redis fails with
   */
  async check(): Promise<string> {
    const alive = await this.alive();
    if (alive === 0) throw new AppError('unavailable', 'no_worker', 'no worker has reported lately');
    return `${alive} worker${alive === 1 ? '' : 's'}`;
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    if (this.worker) await this.redis.zrem(this.key, this.worker).catch(() => undefined);
    await this.redis.zremrangebyscore(this.key, '-inf', Date.now() - GONE_MS).catch(() => undefined);
  }
}
