// From a restart after everything was killed to a drained queue:
//   npm run build && node scripts/run-typescript.cjs bench/recovery.ts        (writes bench/RECOVERY.md)
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { loadConfig } from '../src/config/config.js';
import { TEST_JWT_SECRET } from '../test/support/api-client.js';
import { testEngine } from '../test/support/servers.js';
import { Stand, heardIn, noise, sha256Of } from '../test/support/stand.js';
import { until } from '../test/support/until.js';

const ANSWERS = 100;
const ENGINE_MS = 100;
const ROUNDS = 3;
const RESULTS = fileURLToPath(new URL('./RECOVERY.md', import.meta.url));

/** The service's own times, not the short ones of the tests: they are what an operator waits for. */
const OWN_TIMES = [
  'UPLOAD_LEASE_S',
  'STAGE_LEASE_S',
  'STAGE_BACKOFF_S',
  'SWEEP_INTERVAL_S',
  'DISPATCH_GRACE_S',
  'SHUTDOWN_TIMEOUT_S',
] as const;

function ownTimes(): Record<string, string> {
  const config = loadConfig({ JWT_SECRET: TEST_JWT_SECRET });
  return Object.fromEntries(OWN_TIMES.map((name) => [name, String(config[name])]));
}

interface Round {
  /** Stages in hand of the workers that were killed. */
  inHand: number;
  /** Seconds from the start of the new processes. */
  untilReady: number;
  untilDrained: number;
}

async function round(stand: Stand, number: number): Promise<Round> {
  const text = ({ file }: { file: { sha256: string } | null }) => heardIn(file?.sha256 ?? 'nothing');
  stand.engine.otherwise({ does: 'answer', delay: ENGINE_MS, text });
  await stand.api();
  const user = await stand.user('alice');
  const session = `recovery-${number}`;
  await user.createSession(session);
  const sent = new Map<string, string>();
  const send = async (question: string) => {
    const audio = noise(`${session}/${question}`);
    const { status } = await user.upload(session, question, audio);
    if (status !== 200) throw new Error(`${question} was answered with ${status}`);
    sent.set(question, heardIn(sha256Of(audio)));
  };
  for (let i = 0; i < ANSWERS; i++) await send(`q${i}`);

  // Workers are killed with as much in hand as they take, then everything else, and Redis forgets all jobs.
  const rows = stand.database.collection('uploads');
  const inHand = () => rows.countDocuments({ session_id: session, 'stages.transcription.state': 'processing' });
  await Promise.all([stand.worker(), stand.worker()]);
  await until('the workers are at work', inHand, (count) => count >= 4);
  await Promise.all(stand.services.map((service) => service.kill()));
  const lost = await inHand();
  const redis = new Redis(stand.redis.uri);
  await redis.flushall();
  redis.disconnect();
  await Promise.all([stand.redis.kill(), stand.mongo.kill()]);
  await Promise.all([stand.redis.start(), stand.mongo.start()]);
  await stand.reconnect();

  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  await Promise.all([stand.api(), stand.worker(), stand.worker()]);
  const untilReady = seconds();
  const open = () =>
    stand.database
      .collection('uploads')
      .countDocuments({ session_id: session, 'stages.transcription.state': { $ne: 'done' } });
  await until('the queue is drained', open, (count) => count === 0, 600_000);
  const untilDrained = seconds();

  for (const [question, transcript] of sent) {
    const { json } = await user.get(`/api/transcription-status/${session}/${question}`);
    if (json.transcript !== transcript) throw new Error(`${question} has another transcript: ${JSON.stringify(json)}`);
  }
  const orphans = await stand.orphans();
  if (orphans.length > 0) throw new Error(orphans.join('\n'));
  return { inHand: lost, untilReady, untilDrained };
}

async function main(): Promise<void> {
  const engine = await testEngine();
  const settings = ownTimes();
  const results: Round[] = [];
  for (let number = 1; number <= ROUNDS; number++) {
    const stand = await Stand.start(settings);
    try {
      results.push(await round(stand, number));
    } finally {
      await stand.stop();
    }
    console.log(JSON.stringify(results.at(-1)));
  }
  writeFileSync(RESULTS, report(results, settings, engine.name));
}

function report(results: readonly Round[], settings: Record<string, string>, engine: string): string {
  const rows = results.map(
    ({ inHand, untilReady, untilDrained }, i) =>
      `| ${i + 1} | ${inHand} | ${untilReady.toFixed(1)} | ${untilDrained.toFixed(1)} |`,
  );
  const load = loadavg()[0]!.toFixed(1);
  return `# Recovery

${ANSWERS} answers are uploaded and wait; two workers take up the first of them. Then API, workers, Redis and MongoDB are killed with SIGKILL
and Redis is emptied. MongoDB, Redis, an API and two workers are started again, with the service's own times
(${Object.entries(settings)
    .map(([name, value]) => `\`${name}=${value}\``)
    .join(', ')}),
and an engine that takes ${ENGINE_MS} ms. Every answer must have the transcript that follows from its bytes, and nothing may be left over.

\`node scripts/run-typescript.cjs bench/recovery.ts\` on ${cpus().length} cores, Node ${process.version}, MongoDB engine ${engine}, load ${load} at the end:

| round | stages in hand when killed | processes ready, s | all ${ANSWERS} transcribed, s |
|---|---:|---:|---:|
${rows.join('\n')}

What a killed worker had in hand is taken up again when its lease runs out; all the rest as soon as a sweep finds that it has no job.
`;
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
