import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { expectedWords } from './common/app-error.js';
import { ConfigError, loadConfig } from './config/config.js';
import { startService } from './service.js';

const EXIT_CONFIG = 78;
const ROLES: readonly string[] = ['api', 'worker', 'all'];

async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const given = process.argv[2];
  if (given !== undefined && !ROLES.includes(given))
    throw new ConfigError([`role: must be one of ${ROLES.join(', ')}`]);
  const config = loadConfig(undefined, given === undefined ? {} : { ROLE: given });
  const starting = startService(config.ROLE, config);
  const stop = () => {
    // Whoever stops us has said how long it may take; a process that hangs beyond it helps nobody.
    const withinS = config.SHUTDOWN_DRAIN_S + config.SHUTDOWN_TIMEOUT_S + 5;
    setTimeout(() => process.exit(1), withinS * 1000).unref();
    const stopped = starting.then((service) => service.stop());
    stopped.then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  // From the first moment on: who is told to stop while it starts stops as well, once it can.
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await starting;
}

try {
  await main();
} catch (error) {
  // What a person can put right is a line each; anything else keeps its stack.
  const faults = error instanceof ConfigError ? error.faults : null;
  console.error(faults ? faults.join('\n') : (expectedWords(error) ?? error));
  process.exit(faults ? EXIT_CONFIG : 1);
}
