import { Redis, type RedisOptions } from 'ioredis';
import type { Config } from '../config/config.js';

const CONNECT_TIMEOUT_MS = 1000;
const COMMAND_TIMEOUT_MS = 250;
const SLOWEST_RECONNECT_MS = 1000;

/**
 * A Redis connection for what can do without Redis: a command fails at once, or within 250 ms, instead of waiting for a
 * connection. Injectable by its class; not for Bull, which waits.
 */
export class FastRedis extends Redis {
  constructor(config: Pick<Config, 'REDIS_URL' | 'REDIS_HOST' | 'REDIS_PORT' | 'REDIS_PASSWORD'>) {
    const options: RedisOptions = {
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: (tries) => Math.min(tries * 100, SLOWEST_RECONNECT_MS),
    };
    if (config.REDIS_URL !== null) super(config.REDIS_URL, options);
    else {
      super({
        ...options,
        host: config.REDIS_HOST ?? '127.0.0.1',
        port: config.REDIS_PORT,
        password: config.REDIS_PASSWORD ?? undefined,
      });
    }
    // Without a listener ioredis writes each failed try to the console; readiness reports the state.
    this.on('error', () => undefined);
  }

  /** Nest calls this when the application stops. */
  onApplicationShutdown(): void {
    this.disconnect();
  }
}
