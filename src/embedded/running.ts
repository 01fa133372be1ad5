import { join, resolve } from 'node:path';
import type { Config } from '../config/config.js';
import { leasedPort } from './data-folder.lease.js';
import { mongoUri } from './mongo-engine.js';
import { redisUrl } from './redis-command.js';

/**
 * Addresses of the embedded databases that a running service has on the same `DATA_DIR`: a data folder is never opened twice,
 * so a command beside that service uses what it started. Null for each that is not running.
 */
export async function runningEmbedded(
  config: Pick<Config, 'DATA_DIR'>,
): Promise<{ mongodbUri: string | null; redisUrl: string | null }> {
  const dataDir = resolve(config.DATA_DIR);
  const [mongo, redis] = await Promise.all(
    ['mongodb.lease', 'redis.lease'].map((file) => leasedPort(join(dataDir, file))),
  );
  return { mongodbUri: mongo ? mongoUri(mongo) : null, redisUrl: redis ? redisUrl(redis) : null };
}
