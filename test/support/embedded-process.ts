import { loadConfig } from '../../src/config/config.js';
import { startEmbedded } from '../../src/embedded/embedded.js';

/** A service reduced to its embedded databases, for tests that kill it: prints their addresses as one line of JSON, stops on SIGTERM. */
async function run(): Promise<void> {
  const quiet = { log: () => undefined, warn: (message: string) => console.error(message) };
  const databases = await startEmbedded(loadConfig(), quiet);
  process.once('SIGTERM', () => void databases.stop());
  console.log(JSON.stringify({ mongodbUri: databases.mongodbUri, redisUrl: databases.redisUrl }));
}

run().catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});
