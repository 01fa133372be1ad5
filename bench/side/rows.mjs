import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runLoad, unique, uploadAll } from './load.mjs';
import { until } from './processes.mjs';
import { loadTool } from './tools.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SPEECH = join(HERE, '../../test/fixtures/speech/reading.webm');
/** How long a run is under load. */
export const SECONDS = Number(process.env.SECONDS ?? 6);
/** Both sides are warmed up for as long: a just-in-time compiler needs some thousand requests, on a slow machine many seconds. */
export const WARM_UP_S = Number(process.env.WARM_UP_S ?? 20);
const ENGINE_MS = 100;
const QUEUED = Number(process.env.QUEUED ?? 1000);
const ANSWERS = 10;

/** Uploads with the worker off: the API process alone is measured. Its queue fills up as it would. */
function upload(name, vus, file, needs) {
  return {
    name,
    needs,
    sides: ['vivavoce', 'reference'],
    options: {},
    async run(stack) {
      const load = { scenario: 'upload', vus, file };
      await warmUp(stack, load);
      return runLoad(stack, { ...load, seconds: SECONDS });
    },
  };
}

/** Each row runs on a fresh stack: new MongoDB and Redis, new processes. `needs` are the targets, as ratios or limits. */
export const rows = {
  u1: upload('200 KB by 1 user', 1, 'a200k.webm', { rate: 1.15, cpu: 0.85 }),
  u10: upload('200 KB by 10 users', 10, 'a200k.webm', { rate: 1.15, cpu: 0.85 }),
  u100: upload('200 KB by 100 users', 100, 'a200k.webm', { rate: 1.15, cpu: 0.85 }),
  m10: upload('10 MB by 10 users', 10, 'a10m.webm', { rate: 1 }),

  status: {
    name: 'status of a session (5 answers) by 100 users',
    needs: { rate: 2 },
    sides: ['vivavoce', 'reference'],
    options: { stubMs: 0 },
    worker: true,
    async run(stack) {
      const load = { scenario: 'status', vus: 100, file: 'a200k.webm' };
      await warmUp(stack, load);
      return runLoad(stack, { ...load, seconds: SECONDS });
    },
  },

  memory: {
    name: 'ten uploads of 45 MiB at once: peak memory above idle',
    needs: { peakMb: 120 },
    sides: ['vivavoce', 'reference'],
    options: {},
    async run(stack) {
      await pause(1000);
      stack.api.resetPeak();
      const idle = stack.api.memoryMb('VmRSS');
      const load = await runLoad(stack, { scenario: 'burst', vus: 10, seconds: 0, file: 'a45m.webm' });
      return { ...load, idleMb: idle, peakMb: stack.api.memoryMb('VmHWM') - idle };
    },
  },

  visible: {
    name: 'upload sent → transcript visible, over the 100 ms of the engine',
    needs: { overMs: 15 },
    sides: ['vivavoce', 'reference'],
    options: { stubMs: ENGINE_MS },
    worker: true,
    async run(stack) {
      const load = { scenario: 'e2e', vus: 1, file: 'a200k.webm', pollMs: 10 };
      await warmUpPipeline(stack);
      const asMeasured = await runLoad(stack, { ...load, seconds: SECONDS });
      const finer = await runLoad(stack, { ...load, seconds: SECONDS, pollMs: 2 });
      return { ...asMeasured, overMs: asMeasured.p50_ms - ENGINE_MS, finerMs: finer.p50_ms - ENGINE_MS };
    },
  },

  drain: {
    name: `${QUEUED} queued answers, an engine that takes no time: transcripts a second by one worker process (Celery: four)`,
    needs: { rate: 1 },
    sides: ['vivavoce', 'reference'],
    options: { stubMs: 0 },
    run: (stack) => drain(stack, 1),
  },
  drain2: {
    name: `the same by two worker processes, as docker-compose.yml starts them (Celery: four)`,
    needs: { rate: 1 },
    sides: ['vivavoce', 'reference'],
    options: { stubMs: 0 },
    run: (stack) => drain(stack, stack.name === 'vivavoce' ? 2 : 1),
  },
  // As uploads are measured: by processes that have been at it for a while. CPU is of all of them.
  drainWarm: {
    name: `the same by one worker process, after ${QUEUED} others`,
    needs: { rate: 1 },
    sides: ['vivavoce', 'reference'],
    options: { stubMs: 0 },
    run: (stack) => drain(stack, 1, QUEUED),
  },

  loop: {
    name: 'how late the event loop is while it takes uploads, polls and 10 MB files, ms',
    needs: { lateMs: 20 },
    sides: ['vivavoce'],
    options: { nodeArgs: ['--import', join(HERE, 'loop-delay.mjs')], stubMs: 0 },
    worker: true,
    run: loopDelay,
  },

  analyze: {
    name: `${ANSWERS} spoken answers uploaded, analyze at once, engine in the box: seconds until success`,
    needs: {},
    sides: ['vivavoce'],
    options: { env: { TRANSCRIBER: 'local' } },
    worker: true,
    run: analyze,
    alone: true,
  },
};

async function warmUp(stack, load) {
  await runLoad(stack, { ...load, seconds: WARM_UP_S });
}

/** Warms API and worker up with answers that go all the way, and waits until they have. */
async function warmUpPipeline(stack) {
  await runLoad(stack, { scenario: 'upload', vus: 4, file: 'a200k.webm', seconds: Math.ceil(WARM_UP_S / 2) });
  await stack.database((db) =>
    until('the warm-up to be transcribed', async () => (await unfinished(db)) === 0, {
      timeoutMs: 300_000,
      process: stack.workers[0],
    }),
  );
}

async function unfinished(db) {
  await pause(500);
  const sessions = await db.collection('interview_sessions').find({}).toArray();
  return sessions
    .flatMap((session) => Object.values(session.answers ?? {}))
    .filter(({ transcription_status, scorer }) => transcription_status !== 'completed' || scorer === null).length;
}

/** @param before answers that are queued in front of those that the rate is of */
async function drain(stack, workers, before = 0) {
  const audio = readFileSync(loadTool().audio('a200k.webm'));
  const sessions = Array.from({ length: (before + QUEUED) / ANSWERS }, (_, index) => `drain-${index}`);
  for (const session of sessions) await stack.createSession(session);
  const uploads = sessions.flatMap((session) =>
    Array.from({ length: ANSWERS }, (_, index) => [session, `q${index}`, unique(audio)]),
  );
  await uploadAll(stack, uploads, 10);
  const started = Date.now();
  await stack.work(workers);
  const ready = Date.now();
  const used = () => [
    stack.workers.reduce((sum, worker) => sum + worker.cpuMs(), 0),
    stack.servers.processes[0].cpuMs(),
  ];
  const usedBefore = used();
  const answers = await stack.database(async (db) => {
    await until('the last transcript', async () => (await unfinished(db)) === 0, {
      timeoutMs: 300_000,
      process: stack.workers[0],
    });
    const sessions = await db.collection('interview_sessions').find({}).toArray();
    return sessions.flatMap((session) => Object.values(session.answers));
  });
  const usedAfter = used();
  // From what the answers say themselves: looking more often would take CPU from those who work.
  const times = answers.map((answer) => answer.transcribed_at.getTime()).sort((a, b) => a - b);
  return {
    per_s: (QUEUED - 1) / ((times.at(-1) - times[before]) / 1000),
    cpuMs: (usedAfter[0] - usedBefore[0]) / answers.length,
    mongoMs: (usedAfter[1] - usedBefore[1]) / answers.length,
    startToFirstMs: times[0] - started,
    readyMs: ready - started,
    failed: 0,
  };
}

async function loopDelay(stack) {
  const lines = [];
  stack.api.child.stdout.on('data', (text) => lines.push(...String(text).split('\n')));
  const read = async () => {
    lines.length = 0;
    stack.api.child.kill('SIGUSR2');
    const line = await until('the delay', () => lines.find((one) => one.startsWith('LOOP_DELAY')));
    return JSON.parse(line.slice('LOOP_DELAY '.length));
  };
  const loads = [
    ['200 KB by 100', { scenario: 'upload', vus: 100, file: 'a200k.webm' }],
    ['10 MB by 10', { scenario: 'upload', vus: 10, file: 'a10m.webm' }],
    ['status by 100', { scenario: 'status', vus: 100, file: 'a200k.webm' }],
  ];
  const result = { failed: 0, others: 0 };
  for (const [name, load] of loads) {
    await warmUp(stack, load);
    await read();
    const { others } = await runLoad(stack, { ...load, seconds: SECONDS });
    result[name] = await read();
    result.others = Math.max(result.others, others);
  }
  result.lateMs = Math.max(...loads.map(([name]) => result[name].p99));
  return result;
}

async function analyze(stack) {
  const speech = readFileSync(SPEECH);
  const round = async (session) => {
    await stack.createSession(session);
    const uploads = Array.from({ length: ANSWERS }, (_, index) => [session, `q${index}`, unique(speech)]);
    const started = performance.now();
    await uploadAll(stack, uploads, 5);
    for (;;) {
      const url = `${stack.base}/analyze/${session}`;
      const response = await fetch(url, { method: 'POST', headers: stack.headers });
      const body = await response.json();
      if (body.status === 'success') return { seconds: (performance.now() - started) / 1000, body };
      if (body.status !== 'transcription_pending') throw new Error(`${url}: ${JSON.stringify(body)}`);
      await pause(100);
    }
  };
  const cold = await round('analyze-cold');
  const warm = await round('analyze-warm');
  return { failed: warm.body.failed_count, coldS: cold.seconds, warmS: warm.seconds, scored: warm.body.scored_count };
}
