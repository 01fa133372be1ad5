import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import { loadConfig } from '../../src/config/config.js';
import { EmbeddedMongo } from '../../src/embedded/embedded.mongo.js';
import { EmbeddedRedis } from '../../src/embedded/embedded.redis.js';
import { startEmbedded } from '../../src/embedded/embedded.js';
import { isRunning, type ProcessIdentity } from '../../src/embedded/process-identity.js';
import { describeDurable } from '../support/servers.js';

const quiet = { log: () => undefined, warn: () => undefined };

async function withNotes<T>(uri: string, use: (notes: mongoose.mongo.Collection) => Promise<T>): Promise<T> {
  const client = new mongoose.mongo.MongoClient(uri, { serverSelectionTimeoutMS: 10_000 });
  try {
    return await use(client.db('embedded').collection('notes'));
  } finally {
    await client.close();
  }
}

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await use(redis);
  } finally {
    await redis.quit();
  }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(20);
  }
}

async function serverOf(lease: string): Promise<ProcessIdentity> {
  return (JSON.parse(await readFile(lease, 'utf8')) as { server: ProcessIdentity }).server;
}

describeDurable('the embedded databases', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'vivavoce-embedded-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  const nothingGiven = { MONGODB_URI: '', REDIS_URL: '', REDIS_HOST: '', ROLE: 'all', ENVIRONMENT: '' };
  const environment = () => ({ ...process.env, ...nothingGiven, NODE_ENV: 'test', DATA_DIR: dataDir });

  async function startService(): Promise<{ service: ChildProcess; mongodbUri: string; redisUrl: string }> {
    const service = spawn(process.execPath, ['scripts/run-typescript.cjs', 'test/support/embedded-process.ts'], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface({ input: service.stdout }), 'line')) as [string];
    return { service, ...(JSON.parse(line) as { mongodbUri: string; redisUrl: string }) };
  }

  it('have after a stop and a start what was written before', async () => {
    const config = loadConfig(environment());
    const first = await startEmbedded(config, quiet);
    await withNotes(first.mongodbUri, (notes) => notes.insertOne({ text: 'kept' }));
    await withRedis(first.redisUrl, (redis) => redis.set('note', 'kept'));
    await first.stop();

    const second = await startEmbedded(config, quiet);
    try {
      expect(await withNotes(second.mongodbUri, (notes) => notes.countDocuments({ text: 'kept' }))).toBe(1);
      expect(await withRedis(second.redisUrl, (redis) => redis.get('note'))).toBe('kept');
    } finally {
      await second.stop();
    }
  });

  it('end with a service that is killed with SIGKILL, and have what they acknowledged at the next start', async () => {
    const killed = await startService();
    const servers = await Promise.all(['mongodb.lease', 'redis.lease'].map((name) => serverOf(join(dataDir, name))));
    await withNotes(killed.mongodbUri, async (notes) => {
      for (let number = 0; number < 20; number++) await notes.insertOne({ number });
    });
    killed.service.kill('SIGKILL');
    await until('both servers have ended', async () => !(await Promise.all(servers.map(isRunning))).includes(true));

    const next = await startService();
    try {
      expect(await withNotes(next.mongodbUri, (notes) => notes.countDocuments())).toBe(20);
    } finally {
      next.service.kill('SIGTERM');
      await once(next.service, 'exit');
    }
  });

  it('are refused to a second service on the same data folder, in a sentence that names the way out', async () => {
    const first = await startEmbedded(loadConfig(environment()), quiet);
    try {
      await expect(startEmbedded(loadConfig(environment()), quiet)).rejects.toThrow(
        /is in use by process \d+.*DATA_DIR/,
      );
      await withNotes(first.mongodbUri, (notes) => notes.insertOne({ text: 'undisturbed' }));
    } finally {
      await first.stop();
    }
  });

  it('are started again on the same port when they die by themselves', async () => {
    const mongo = await EmbeddedMongo.start({ dataDir, port: null, mayDownload: true }, quiet);
    const redis = await EmbeddedRedis.start({ dataDir, port: null }, quiet);
    try {
      await withNotes(mongo.uri, (notes) => notes.insertOne({ text: 'kept' }));
      const before = [mongo.pid, redis.pid];
      for (const pid of before) process.kill(pid, 'SIGKILL');
      await until('both run again', () => mongo.pid !== before[0] && redis.pid !== before[1]);
      expect(await withNotes(mongo.uri, (notes) => notes.countDocuments())).toBe(1);
      expect(await withRedis(redis.url, (client) => client.ping())).toBe('PONG');
    } finally {
      await mongo.stop();
      await redis.stop();
    }
  });

  it('leave the lease and no process behind when one cannot start', async () => {
    const taken = await EmbeddedRedis.start({ dataDir: join(dataDir, 'other'), port: null }, quiet);
    const port = new URL(taken.url).port;
    try {
      const config = loadConfig({ ...environment(), EMBEDDED_REDIS_PORT: port });
      await expect(startEmbedded(config, quiet)).rejects.toThrow(/redis-server cannot have port \d+/);
      const again = await startEmbedded(loadConfig(environment()), quiet);
      await again.stop();
    } finally {
      await taken.stop();
    }
  });
});
