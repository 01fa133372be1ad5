/* Plays the whole way once, as a front end would, against a service of its own; see scripts/demo. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { wordErrorRate } from '../test/support/word-error-rate.js';

const MOST_WRONG = 0.1;
const PATIENCE_MS = 120_000;
const SPEECH = 'test/fixtures/speech';

const questions = [
  {
    id: 'q1',
    audio: '0870',
    text: "What was on Mr. Dashwood's mind, once he had the time?",
    model_answer: 'At leisure, he considered how much he might do for them, as far as was prudent and in his power.',
  },
  { id: 'q2', audio: '0880', text: 'How would you describe his character?' },
  {
    id: 'q3',
    audio: '0920',
    text: 'What difference would another wife have made to him?',
    model_answer: 'Married to a more amiable woman, he might have become still more respectable.',
  },
];

interface Answer {
  question_id: string;
  transcript: string;
  score: number | null;
  not_scorable: string | null;
  criteria: {
    name: string;
    score: number;
    weight: number;
    reason: string;
    evidence: { quote: string; start: number }[];
  }[];
  feedback: string[];
}

const began = performance.now();
const step = (text: string) => console.log(`${((performance.now() - began) / 1000).toFixed(2).padStart(7)} s  ${text}`);
const detail = (text: string) => console.log(`            ${text}`);

/** Starts the service and waits until it says where it listens. Its log goes to a file. */
async function start(dataDir: string): Promise<{ child: ChildProcess; url: string; engine: string | null }> {
  mkdirSync(join(dataDir, 'logs'), { recursive: true });
  const logFile = join(dataDir, 'logs', 'demo.log');
  const log = openSync(logFile, 'w');
  // The line that tells where it listens is an `info`.
  const environment = { ...process.env, DATA_DIR: dataDir, LOG_LEVEL: 'info' };
  const child = spawn(process.execPath, ['dist/main.js', 'all'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // What stops us stops it, from the first moment on: Ctrl-C reaches both, a signal to us alone is handed on.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGTERM'));
  let warning: string | null = null;
  child.stderr.on('data', (bytes: Buffer) => writeSync(log, bytes));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`The service ended with code ${code}; its log: ${logFile}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      writeSync(log, `${line}\n`);
      try {
        const { msg, url: address, level } = JSON.parse(line) as { msg?: string; url?: string; level?: string };
        if (level === 'warn' && msg) warning ??= msg;
        if (msg === 'Vivavoce is ready' && address) resolve(address);
      } catch {
        // Not every line of a starting process is ours.
      }
    });
  });
  return { child, url, engine: warning };
}

class Api {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    const form = body instanceof FormData;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body && !form ? { 'content-type': 'application/json' } : {}),
      },
      body: form ? body : body && JSON.stringify(body),
    });
    const answer = (await response.json()) as T;
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }
}

async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > giveUp) throw new Error(`${what} took longer than ${PATIENCE_MS / 1000} s`);
    await pause(100);
  }
}

function show(answer: Answer): void {
  const question = questions.find(({ id }) => id === answer.question_id);
  console.log();
  detail(`${answer.question_id}  ${question?.text}`);
  detail(`    “${answer.transcript}”`);
  if (answer.score === null) return detail(`    no score: ${answer.not_scorable}`);
  detail(`    score ${answer.score}`);
  for (const { name, score, weight, reason, evidence } of answer.criteria) {
    detail(`      ${name.padEnd(11)} ${String(score).padStart(3)} × ${weight}  ${reason}`);
    const [first] = evidence;
    if (first) detail(`${' '.repeat(28)}“${first.quote}” at ${first.start} s`);
  }
  for (const sentence of answer.feedback) detail(`      → ${sentence}`);
}

async function play(api: Api): Promise<boolean> {
  const session = await api.call<{ id: string }>('POST', '/api/sessions', {
    title: 'Demo',
    role: 'Reader',
    questions: questions.map(({ id, text, model_answer }) => ({ id, text, model_answer })),
  });
  step(`session ${session.id} with ${questions.length} questions`);
  for (const { id, audio } of questions) {
    const name = `answer-${audio}.webm`;
    const form = new FormData();
    form.set('audio', new Blob([readFileSync(join(SPEECH, name))], { type: 'audio/webm' }), name);
    const { size } = await api.call<{ size: number }>('POST', `/api/upload-answer/${session.id}/${id}`, form);
    step(`${id}: ${name} uploaded, ${size} bytes; on to the next question`);
  }
  type Status = { summary: { total: number; completed: number; failed: number } };
  let seen = '';
  await until('The transcription', async () => {
    const { summary } = await api.call<Status>('GET', `/api/transcription-status/${session.id}`);
    const now = `${summary.completed} of ${summary.total} transcribed${summary.failed ? `, ${summary.failed} failed` : ''}`;
    if (now !== seen) step((seen = now));
    return summary.completed + summary.failed === summary.total ? summary : null;
  });
  const result = await until('The analysis', async () => {
    const answer = await api.call<{ status: string; final_score: number | null; answers: Answer[] }>(
      'POST',
      `/api/analyze/${session.id}`,
    );
    return answer.status === 'success' ? answer : null;
  });
  step(`analyzed: final score ${result.final_score}`);
  for (const answer of result.answers) show(answer);
  console.log();
  const said = JSON.parse(readFileSync(join(SPEECH, 'transcripts.json'), 'utf8')) as Record<string, string>;
  const whole = questions.map(({ audio }) => said[`sense_and_sensibility_01_austen_64kb-${audio}`]).join(' ');
  const heard = questions
    .map(({ id }) => result.answers.find((answer) => answer.question_id === id)?.transcript ?? '')
    .join(' ');
  const wrong = wordErrorRate(whole, heard);
  step(`words wrong: ${(wrong * 100).toFixed(1)} % (at most ${MOST_WRONG * 100} %)`);
  return wrong <= MOST_WRONG;
}

async function main(): Promise<number> {
  const once = process.argv.includes('--once');
  const dataDir = process.env['DATA_DIR'] ?? '.data';
  step('starting the service with a MongoDB and a Redis of its own');
  const { child, url, engine } = await start(dataDir);
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  step(`listening at ${url}`);
  if (engine) detail(engine);
  const token = execFileSync(process.execPath, ['dist/cli.js', 'token', '--user', 'demo', '--role', 'admin'], {
    env: { ...process.env, DATA_DIR: dataDir },
    encoding: 'utf8',
  }).trim();
  try {
    const right = await play(new Api(url, token));
    if (!once) {
      console.log(`
  API          ${url}/docs    (or ${url}/redoc, ${url}/openapi.json)
  health       ${url}/health/ready
  metrics      ${url}/metrics
  log          ${join(dataDir, 'logs', 'demo.log')}
  token        ${token}

  Ctrl-C stops it.`);
      return await ended;
    }
    return right ? 0 : 1;
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
