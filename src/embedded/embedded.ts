import { resolve } from 'node:path';
import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import { EmbeddedMongo } from './embedded.mongo.js';
import { EmbeddedRedis } from './embedded.redis.js';
import type { EmbeddedLog } from './supervised.server.js';

/** Addresses of the databases, given or embedded, and how to stop what was started here. */
export interface Databases {
  mongodbUri: string;
  redisUrl: string;
  /** False when an embedded MongoDB forgets everything at its end. */
  keepsData: boolean;
  /** Stops the embedded servers, after everything that uses them. May be called again. */
  stop(): Promise<void>;
}

type Settings = Pick<
  Config,
  | 'DATA_DIR'
  | 'MONGODB_URI'
  | 'REDIS_URL'
  | 'REDIS_HOST'
  | 'REDIS_PORT'
  | 'REDIS_PASSWORD'
  | 'EMBEDDED_MONGODB_PORT'
  | 'EMBEDDED_REDIS_PORT'
  | 'MONGODB_DOWNLOAD'
>;

/**
 * Starts the databases that the configuration does not name, each as a child process on the loopback interface with its data
 * under `DATA_DIR`. Configuration has already refused to leave them out in production or for another role than `all`.
 *
 * @throws EmbeddedServerError when one cannot be started; the other is stopped again
 */
export async function startEmbedded(config: Settings, log: EmbeddedLog = new Logger('Embedded')): Promise<Databases> {
  const dataDir = resolve(config.DATA_DIR);
  const givenRedis = givenRedisUrl(config);
  const [mongo, redis] = await Promise.allSettled([
    config.MONGODB_URI === null
      ? EmbeddedMongo.start({ dataDir, port: config.EMBEDDED_MONGODB_PORT, mayDownload: config.MONGODB_DOWNLOAD }, log)
      : null,
    givenRedis === null ? EmbeddedRedis.start({ dataDir, port: config.EMBEDDED_REDIS_PORT }, log) : null,
  ]);
  const stop = async () => {
    if (mongo.status === 'fulfilled') await mongo.value?.stop();
    if (redis.status === 'fulfilled') await redis.value?.stop();
  };
  const failed = [mongo, redis].find((server) => server.status === 'rejected');
  if (mongo.status === 'rejected' || redis.status === 'rejected') {
    await stop();
    throw failed?.reason;
  }
  return {
    mongodbUri: config.MONGODB_URI ?? (mongo.value as EmbeddedMongo).uri,
    redisUrl: givenRedis ?? (redis.value as EmbeddedRedis).url,
    keepsData: mongo.value?.keepsData ?? true,
    stop,
  };
}

/** Redis as configured, in whole or by parts, or null. */
function givenRedisUrl(config: Settings): string | null {
  if (config.REDIS_URL !== null) return config.REDIS_URL;
  if (config.REDIS_HOST === null) return null;
  const password = config.REDIS_PASSWORD === null ? '' : `:${encodeURIComponent(config.REDIS_PASSWORD)}@`;
  return `redis://${password}${config.REDIS_HOST}:${config.REDIS_PORT}`;
}
