import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMongo, startRedis, testEngine } from './servers.js';

/** One MongoDB and one Redis for a whole run of jest, with their data in a temporary folder. */
export async function startSharedServers(): Promise<{ environment: Record<string, string>; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'vivavoce-test-'));
  const engine = await testEngine();
  const [mongo, redis] = await Promise.all([
    startMongo({ dataDir: join(folder, 'mongodb') }),
    startRedis({ dir: join(folder, 'redis') }),
  ]);
  return {
    environment: {
      TEST_MONGODB_URI: mongo.uri,
      TEST_REDIS_URL: redis.uri,
      TEST_ENGINE: engine.name,
      TEST_ENGINE_KEEPS_DATA: String(engine.keepsData),
    },
    async stop() {
      await Promise.all([mongo.stop(), redis.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
