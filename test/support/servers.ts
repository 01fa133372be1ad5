import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EngineName,
  type MongoEngine,
  mongoCommand,
  mongoUri,
  resolveMongoEngine,
} from '../../src/embedded/mongo-engine.js';
import { redisCommand, redisUrl } from '../../src/embedded/redis-command.js';
import { freePort, type ServerCommand, ServerProcess } from '../../src/embedded/server-process.js';
import { PATIENCE_MS } from './patience.js';

const STOP_GRACE_MS = 10_000;

/** MongoDB that all test files of this run share. Take a database of your own: `uniqueDatabase()`. */
export const testMongoUri = (): string => given('TEST_MONGODB_URI');

/** Redis that all test files of this run share. Take a prefix of your own (`uniquePrefix()`), and never flush it. */
export const testRedisUrl = (): string => given('TEST_REDIS_URL');

/** A database name that no other test file has. */
export const uniqueDatabase = (): string => `test_${randomBytes(6).toString('hex')}`;

/** A Redis key prefix that no other test file has. */
export const uniquePrefix = (): string => `test-${randomBytes(6).toString('hex')}`;

/** Environment of a service on the shared servers, with a database and a prefix of its own. */
export const testEnvironment = (): Record<string, string> => ({
  MONGODB_URI: testMongoUri(),
  MONGODB_DB: uniqueDatabase(),
  REDIS_URL: testRedisUrl(),
  REDIS_PREFIX: uniquePrefix(),
});

/** Whether what the MongoDB engine of this run acknowledged outlives its process. */
export const engineKeepsData = (): boolean => given('TEST_ENGINE_KEEPS_DATA') === 'true';

/**
 * `describe` for tests that need durability: where the engine keeps nothing they are skipped and say why, except in CI, where
 * that is a failure.
 */
export const describeDurable = (title: string, body: () => void): void => {
  if (engineKeepsData()) describe(title, body);
  else if (process.env['CI'])
    describe(title, () =>
      it('runs on an engine that keeps data', () => expect(given('TEST_ENGINE')).not.toBe('jongodb')),
    );
  else describe.skip(`${title} [skipped: ${given('TEST_ENGINE')} keeps no data]`, body);
};

/** A MongoDB or Redis that a test may kill, pause and start again. Its data stays between the runs. */
export class PrivateServer {
  private server: ServerProcess | null = null;

  constructor(
    readonly uri: string,
    private readonly command: ServerCommand,
    private readonly temporaryFolder: string | null,
  ) {}

  get pid(): number {
    if (this.server === null) throw new Error(`${this.command.name} is not running`);
    return this.server.pid;
  }

  get isRunning(): boolean {
    return this.server?.isRunning ?? false;
  }

  /** Starts it and waits until it answers; on the same port each time. */
  async start(): Promise<this> {
    this.server = await ServerProcess.start(this.command, PATIENCE_MS);
    return this;
  }

  /** Ends it with a signal and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.server?.kill(signal);
    await this.server?.ended;
    this.server = null;
  }

  /** Starts it again with the same data, after ending it if it runs. */
  async restart(): Promise<void> {
    await this.server?.stop(STOP_GRACE_MS);
    await this.start();
  }

  /** Makes it hang: connections stay open, nothing is answered. */
  pause(): void {
    this.server?.kill('SIGSTOP');
  }

  resume(): void {
    this.server?.kill('SIGCONT');
  }

  /** Ends it and removes its data, if that was in a temporary folder of its own. */
  async stop(): Promise<void> {
    await this.server?.stop(STOP_GRACE_MS);
    this.server = null;
    if (this.temporaryFolder !== null) await rm(this.temporaryFolder, { recursive: true, force: true });
  }
}

/** A MongoDB of the test's own. `uri` names no database. */
export async function startMongo(options: { port?: number; dataDir?: string } = {}): Promise<PrivateServer> {
  const temporary = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'vivavoce-mongo-')) : null;
  const port = options.port ?? (await freePort());
  const folder = options.dataDir ?? join(temporary as string, 'data');
  const command = await mongoCommand(await testEngine(), { port, folder, logFile: `${folder}.log` });
  return new PrivateServer(mongoUri(port), command, temporary).start();
}

/** A Redis of the test's own, with an append-only file. */
export async function startRedis(options: { port?: number; dir?: string } = {}): Promise<PrivateServer> {
  const temporary = options.dir === undefined ? await mkdtemp(join(tmpdir(), 'vivavoce-redis-')) : null;
  const port = options.port ?? (await freePort());
  const folder = options.dir ?? join(temporary as string, 'data');
  const command = await redisCommand({ port, folder, logFile: `${folder}.log` });
  return new PrivateServer(redisUrl(port), command, temporary).start();
}

/** The MongoDB engine of the tests: the best there is, or the one that TEST_ENGINE names. */
export function testEngine(): Promise<MongoEngine> {
  const only = process.env['TEST_ENGINE'] as EngineName | undefined;
  return resolveMongoEngine({ mayDownload: true, ...(only ? { only } : {}), say: (line) => console.warn(line) });
}

function given(name: string): string {
  const value = process.env[name];
  if (!value)
    throw new Error(`${name} is not set: this test belongs to a jest project with test/support/global-setup.ts`);
  return value;
}
