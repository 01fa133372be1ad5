import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import mongoose from 'mongoose';
import { Measured, freePort, until } from './processes.mjs';
import { mongoEngine, reference } from './tools.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const ENGINE = join(ROOT, 'bench/side/engine-in-process.mjs');
const DIST = process.env.DIST_DIR ?? join(ROOT, 'dist');
const SECRET = 'a secret that is good for nothing but this benchmark';

/** MongoDB and Redis of one run: fresh, empty, loopback only. Both stacks get their own of the same kind, in turn. */
async function backends(folder) {
  const [mongoPort, redisPort] = [await freePort(), await freePort()];
  const data = join(folder, 'mongo');
  mkdirSync(data);
  const engine = mongoEngine();
  const mongo = new Measured('mongo', folder, engine.command, engine.args(mongoPort, data));
  const args = ['--bind', '127.0.0.1', '--port', String(redisPort), '--save', '', '--appendonly', 'no'];
  const redis = new Measured('redis', folder, 'redis-server', args, {}, folder);
  await Promise.all([until('MongoDB', () => listens(mongoPort)), until('Redis', () => listens(redisPort))]);
  return {
    mongoUrl: `mongodb://127.0.0.1:${mongoPort}`,
    redisUrl: `redis://127.0.0.1:${redisPort}/0`,
    processes: [mongo, redis],
  };
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true) ?? socket.destroy()).once('error', () => resolve(false));
  });
}

/** One server under load with all that belongs to it. */
class Stack {
  constructor(name, folder, parts) {
    Object.assign(this, parts, { name, folder, workers: [] });
  }

  get processes() {
    return [...this.servers.processes, this.api, ...this.workers];
  }

  async database(work) {
    const client = await mongoose.mongo.MongoClient.connect(this.servers.mongoUrl);
    try {
      return await work(client.db(this.databaseName));
    } finally {
      await client.close();
    }
  }

  /** Starts `count` more worker processes at once. */
  async work(count) {
    this.workers.push(...(await Promise.all(Array.from({ length: count }, () => this.startWorker()))));
  }

  async stop() {
    for (const process of this.processes.reverse()) await process.stop();
    if (!process.env.KEEP_LOGS) rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Vivavoce as it ships: hashing, sniffing, ledger, auth and limits on.
 *
 * @param {{stubMs?: number, env?: object, nodeArgs?: string[], workerArgs?: string[]}} options `stubMs`: what the engine takes
 */
export async function startVivavoce({ stubMs = 100, env = {}, nodeArgs = [], workerArgs = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'vivavoce-bench-'));
  const servers = await backends(folder);
  const port = await freePort();
  const settings = {
    MONGODB_URI: servers.mongoUrl,
    REDIS_URL: servers.redisUrl,
    JWT_SECRET: SECRET,
    DATA_DIR: join(folder, 'data'),
    PORT: String(port),
    TRANSCRIBER: 'openai',
    OPENAI_API_KEY: 'none',
    // The discard port: the engine that takes its place is preloaded into workers, and nobody is asked.
    OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
    SCORER: 'rubric',
    // High enough not to be met, and counted all the same.
    UPLOADS_PER_MINUTE: '100000',
    ...env,
  };
  const main = join(DIST, 'main.js');
  const base = `http://127.0.0.1:${port}`;
  const api = new Measured('api', folder, process.execPath, [...nodeArgs, main, 'api'], settings);
  await until('Vivavoce', async () => (await fetch(`${base}/health/live`)).ok, { process: api });
  const token = await new SignJWT({ role: 'admin' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('bench')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(new TextEncoder().encode(SECRET));
  const headers = { authorization: `Bearer ${token}` };
  const startWorker = async () => {
    const workerPort = await freePort();
    const args = [...workerArgs, '--import', ENGINE, main, 'worker'];
    const worker = new Measured('worker', folder, process.execPath, args, {
      ...settings,
      STUB_MS: String(stubMs),
      DIST_DIR: DIST,
      WORKER_PORT: String(workerPort),
    });
    await until('the worker', async () => (await fetch(`http://127.0.0.1:${workerPort}/health/live`)).ok, {
      process: worker,
    });
    return worker;
  };
  return new Stack('vivavoce', folder, {
    servers,
    api,
    base: `${base}/api`,
    headers,
    databaseName: 'vivavoce',
    startWorker,
    loadgen: {
      HEADERS: JSON.stringify(headers),
      CREATE_SESSION_PATH: '/sessions',
      CREATE_SESSION_BODY: '{"id":"{sid}","questions":[]}',
    },
    createSession: (id) => post(`${base}/api/sessions`, headers, { id, questions: [] }),
  });
}

/** The FastAPI, GridFS and Celery service in REFERENCE_DIR: no auth, no hash, no ledger. */
export async function startReference({ stubMs = 100 } = {}) {
  const { dir, python } = reference();
  const folder = mkdtempSync(join(tmpdir(), 'reference-bench-'));
  const servers = await backends(folder);
  const port = await freePort();
  const settings = {
    MONGO_URL: servers.mongoUrl,
    REDIS_URL: servers.redisUrl,
    STUB_MS: String(stubMs),
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const options = ['--workers', '1', '--loop', 'uvloop', '--http', 'httptools', '--no-access-log'];
  const listen = ['--host', '127.0.0.1', '--port', String(port), '--log-level', 'warning'];
  const api = new Measured(
    'api',
    folder,
    python,
    ['-m', 'uvicorn', 'refsvc.main:app', ...listen, ...options],
    settings,
    dir,
  );
  const base = `http://127.0.0.1:${port}/api`;
  await until('the reference', async () => (await fetch(`${base}/transcription-status/none`)).status === 404, {
    process: api,
  });
  const startWorker = async () => {
    const args = ['-m', 'celery', '-A', 'refsvc.celery_app', 'worker', '--loglevel=info', '--concurrency=4'];
    const worker = new Measured('worker', folder, python, args, settings, dir);
    let log = '';
    worker.child.stderr.on('data', (text) => (log = (log + text).slice(-4000)));
    await until('the Celery worker', () => / ready\./.test(log), { process: worker });
    return worker;
  };
  return new Stack('reference', folder, {
    servers,
    api,
    base,
    headers: {},
    databaseName: 'interview',
    startWorker,
    loadgen: {},
    createSession: async () => undefined,
  });
}

async function post(url, headers, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
}
