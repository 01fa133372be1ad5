import { LocalEngine } from '../../src/transcription/local-engine.js';

/** A worker reduced to its local engine, for tests that kill it: prints the engine's process id and stays. */
async function run(): Promise<void> {
  const engine = new LocalEngine({ threads: 1, memoryLimitMb: 1500 });
  await engine.start();
  console.log(engine.pid);
}

run().catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});
