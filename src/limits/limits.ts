import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { AppError } from '../common/app-error.js';
import { FastRedis } from '../common/redis.js';
import { Config } from '../config/config.js';

export type LimitName = 'uploads' | 'requests';

/** What a user has left. `resetS` is seconds until the window ends. */
export interface LimitState {
  limit: number;
  remaining: number;
  resetS: number;
}

const WINDOW_S = 60;
/** After Redis failed, counting goes on in this process for so long before Redis is asked again. */
const REDIS_PAUSE_MS = 1000;

interface Limiter {
  points: number;
  shared: RateLimiterRedis;
  own: RateLimiterMemory;
}

/**
 * How much a user may do in a minute, counted in Redis for all processes together. Without Redis each process counts for
 * itself: a limit is never the reason why an answer is refused or late.
 */
@Injectable()
export class Limits {
  private readonly limiters: Record<LimitName, Limiter | null>;
  private redisPausedUntil = 0;

  constructor(config: Config, redis: FastRedis) {
    const limiter = (name: LimitName, points: number): Limiter | null => {
      if (points === 0) return null;
      const options = { points, duration: WINDOW_S, keyPrefix: `${config.REDIS_PREFIX}:limit:${name}` };
      return {
        points,
        shared: new RateLimiterRedis({ ...options, storeClient: redis, rejectIfRedisNotReady: true }),
        own: new RateLimiterMemory(options),
      };
    };
    this.limiters = {
      uploads: limiter('uploads', config.UPLOADS_PER_MINUTE),
      requests: limiter('requests', config.REQUESTS_PER_MINUTE),
    };
  }

  /** Whether there is such a limit at all. */
  has(name: LimitName): boolean {
    return this.limiters[name] !== null;
  }

  /**
   * Takes one from the user's minute; null where there is no such limit.
   *
   * @throws AppError `rate_limited` with `Retry-After` and `RateLimit` headers when nothing is left
   */
  async take(name: LimitName, userId: string): Promise<LimitState | null> {
    const limiter = this.limiters[name];
    if (!limiter) return null;
    const { consumed, msBeforeNext } = await this.count(limiter, userId);
    const state = {
      limit: limiter.points,
      remaining: Math.max(0, limiter.points - consumed),
      resetS: Math.max(1, Math.ceil(msBeforeNext / 1000)),
    };
    if (consumed > limiter.points) throw exceeded(name, state);
    return state;
  }

  private async count(limiter: Limiter, userId: string): Promise<{ consumed: number; msBeforeNext: number }> {
    // A user id may be long and hold anything: its hash is a key of known length and alphabet.
    const key = userId.length <= 40 && /^[\w-]+$/.test(userId) ? userId : hash(userId);
    if (Date.now() >= this.redisPausedUntil) {
      try {
        return counted(await limiter.shared.consume(key));
      } catch (reason) {
        if (!(reason instanceof Error)) return counted(reason as RateLimiterRes);
        this.redisPausedUntil = Date.now() + REDIS_PAUSE_MS;
      }
    }
    try {
      return counted(await limiter.own.consume(key));
    } catch (reason) {
      if (reason instanceof Error) throw reason;
      return counted(reason as RateLimiterRes);
    }
  }
}

/** Headers of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ for one limit. */
export function rateLimitHeaders(name: LimitName, state: LimitState): Record<string, string> {
  return {
    'RateLimit-Policy': `"${name}";q=${state.limit};w=${WINDOW_S}`,
    RateLimit: `"${name}";r=${state.remaining};t=${state.resetS}`,
  };
}

function counted(result: RateLimiterRes): { consumed: number; msBeforeNext: number } {
  return { consumed: result.consumedPoints, msBeforeNext: result.msBeforeNext };
}

function exceeded(name: LimitName, state: LimitState): AppError {
  const message = `Too many ${name}: at most ${state.limit} a minute. Please try again in ${state.resetS} s.`;
  return new AppError('rate_limited', `too_many_${name}`, message, {
    retryable: true,
    retryAfter: state.resetS,
    headers: rateLimitHeaders(name, state),
  });
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
