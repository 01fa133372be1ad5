import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { ApiClient, TEST_JWT_SECRET } from './api-client.js';
import { wavHeader } from './audio-source.js';
import { type OpenAiServer, startOpenAiServer } from './openai-server.js';
import { type Orphans, findOrphans, listed } from './orphans.js';
import { ServiceProcess } from './processes.js';
import { PATIENCE_MS } from './patience.js';
import { type PrivateServer, startMongo, startRedis } from './servers.js';
import { TcpProxy } from './tcp-proxy.js';
import { until } from './until.js';

/** After which a command that MongoDB leaves without an answer is given up: without a limit its caller would wait for ever. */
export const COMMAND_MS = 20_000;

/** Short times, so that what a service does after 15 or 30 seconds happens within a test. */
export const QUICK: Record<string, string> = {
  JWT_SECRET: TEST_JWT_SECRET,
  TRANSCRIBER: 'openai',
  SCORER: 'rubric',
  OPENAI_API_KEY: 'sk-test',
  OPENAI_MAX_RETRIES: '0',
  UPLOADS_PER_MINUTE: '0',
  UPLOAD_LEASE_S: '2',
  STAGE_LEASE_S: '2',
  STAGE_BACKOFF_S: '0.1',
  SWEEP_INTERVAL_S: '0.5',
  DISPATCH_GRACE_S: '1',
  SHUTDOWN_TIMEOUT_S: '10',
};

export interface Attempted {
  number: number;
  outcome: string;
  worker: string | null;
}

/** Audio that nobody else has: a WAV header, then noise that follows from `seed`. */
export function noise(seed: string, bytes = 4000): Buffer {
  const samples = Math.max(8, bytes >> 1);
  const block = createHash('sha512').update(seed).digest();
  return Buffer.concat([wavHeader(samples), Buffer.alloc(samples * 2, block)]);
}

/** What the engine of the tests hears in audio: follows from its bytes. */
export const heardIn = (sha256: string): string => `I have said ${sha256} and nothing else in this answer.`;

export const sha256Of = (audio: Buffer): string => createHash('sha256').update(audio).digest('hex');

/** Rows that somebody, a worker or the sweep, has still to do something with. */
const UNDER_WAY = {
  $or: [
    { state: 'uploading' },
    { audio_state: 'deleting' },
    { projection_due: { $exists: true } },
    { link_due: true },
    { state: 'committed', 'stages.transcription.state': { $in: ['due', 'processing'] } },
    { state: 'committed', 'stages.analysis.state': { $in: ['due', 'processing'] } },
    { state: 'committed', 'stages.archive.state': { $in: ['due', 'processing'] } },
    { kept_state: 'releasing' },
  ],
};

/**
 * The whole service as processes of their own: a MongoDB and a Redis that may be killed, an OpenAI-compatible engine, and any
 * number of APIs and workers, which reach the databases through networks that may be cut.
 */
export class Stand {
  readonly services: ServiceProcess[] = [];
  private client: mongoose.mongo.MongoClient;

  private constructor(
    readonly mongo: PrivateServer,
    readonly redis: PrivateServer,
    readonly engine: OpenAiServer,
    readonly mongoNetwork: TcpProxy,
    readonly redisNetwork: TcpProxy,
    /** Takes the connections of all users to any API that runs. */
    readonly balancer: TcpProxy,
    private readonly folder: string,
    private readonly settings: Record<string, string>,
    private readonly apis: ServiceProcess[],
  ) {
    this.client = this.connect();
  }

  /** @param settings over the quick ones, as environment variables */
  static async start(settings: Record<string, string> = {}): Promise<Stand> {
    const folder = await mkdtemp(join(tmpdir(), 'vivavoce-stand-'));
    const [mongo, redis, engine] = await Promise.all([startMongo(), startRedis(), startOpenAiServer()]);
    engine.otherwise({ does: 'answer', text: ({ file }) => heardIn(file?.sha256 ?? 'nothing') });
    const apis: ServiceProcess[] = [];
    const [toMongo, toRedis, balancer] = await Promise.all([
      TcpProxy.start(() => [portOf(mongo)]),
      TcpProxy.start(() => [portOf(redis)]),
      TcpProxy.start(() => apis.filter((api) => api.isRunning).map(({ port }) => port)),
    ]);
    return new Stand(mongo, redis, engine, toMongo, toRedis, balancer, folder, settings, apis);
  }

  /** What its processes are configured with. */
  get environment(): Record<string, string> {
    return {
      ...QUICK,
      DATA_DIR: this.folder,
      MONGODB_URI: `mongodb://127.0.0.1:${this.mongoNetwork.port}/?directConnection=true&socketTimeoutMS=${COMMAND_MS}`,
      MONGODB_DB: 'faults',
      REDIS_URL: `redis://127.0.0.1:${this.redisNetwork.port}`,
      OPENAI_BASE_URL: this.engine.url,
      ...this.settings,
    };
  }

  /** Starts an API and puts it behind the balancer. */
  async api(settings: Record<string, string> = {}): Promise<ServiceProcess> {
    const api = await this.run('api', settings);
    this.apis.push(api);
    return api;
  }

  worker(settings: Record<string, string> = {}): Promise<ServiceProcess> {
    return this.run('worker', settings);
  }

  /** A user who reaches the service through the balancer, or one API at its port. */
  user(name: string, port?: number): Promise<ApiClient> {
    return ApiClient.signIn(name, () => port ?? this.balancer.port);
  }

  get database(): mongoose.mongo.Db {
    return this.client.db('faults');
  }

  /** The ledger row of an upload. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it freely
  async row(uploadId: string): Promise<any> {
    return this.database.collection('uploads').findOne({ _id: new mongoose.mongo.ObjectId(uploadId) });
  }

  async attempts(uploadId: string, stage = 'transcription'): Promise<Attempted[]> {
    const id = new mongoose.mongo.ObjectId(uploadId);
    const isDone = (await this.row(uploadId)).stages[stage]?.state === 'done';
    const found = await until(
      'the attempts are recorded: the good one a moment after its result',
      () => this.database.collection('attempts').find({ upload_id: id, stage }).sort({ _id: 1 }).toArray(),
      (attempts) => !isDone || attempts.some(({ outcome }) => outcome === 'done'),
    );
    return found.map(({ number, outcome, worker }) => ({ number, outcome, worker }));
  }

  /** Resolves when so many requests for a transcription have reached the engine since the last `engine.reset()`. */
  engineAsked(times: number): Promise<unknown> {
    return until(`the engine is asked ${times} times`, () => this.engine.requests.length >= times);
  }

  /** Waits until nothing is under way: no upload, no stage, no step that the sweep would still do. */
  async rests(timeoutMs = PATIENCE_MS): Promise<void> {
    const fields = ['state', 'audio_state', 'kept_state', 'projection_due', 'link_due', 'stages', 'updated_at'];
    const projection = Object.fromEntries(fields.map((field) => [field, 1]));
    const rows = this.database.collection('uploads');
    const kept = this.database.collection('kept_audio');
    const look = async () => [
      ...(await rows.find(UNDER_WAY, { projection }).limit(3).toArray()),
      ...(await kept.find({ state: 'deleting' }).limit(3).toArray()),
      ...(await this.database.collection('archive_writes').find().limit(3).toArray()),
    ];
    await until('everything has come to rest', look, ({ length }) => length === 0, timeoutMs);
  }

  /** How many uploads something is still to be done with. */
  underWay(): Promise<number> {
    return this.database.collection('uploads').countDocuments(UNDER_WAY);
  }

  /** What is there without belonging anywhere; empty when all is well. Waits until everything rests, and a little for the sweep. */
  async orphans(): Promise<string[]> {
    await this.rests();
    let found: Orphans | null = null;
    const look = async () => listed((found = await findOrphans(this.database)));
    await until('no orphan is left', look, ({ length }) => length === 0, 10_000).catch(() => undefined);
    return found ? listed(found) : ['nothing could be compared'];
  }

  /** A new connection for the test itself, after the MongoDB was killed. */
  async reconnect(): Promise<void> {
    await this.client.close(true);
    this.client = this.connect();
  }

  /** Ends every service at once but those to keep; the servers are put right again, with what they have. */
  async clear(...keep: ServiceProcess[]): Promise<void> {
    const [kept, ended] = [true, false].map((is) => this.services.filter((service) => keep.includes(service) === is));
    await Promise.all((ended ?? []).map((service) => service.kill()));
    this.services.splice(0, Infinity, ...(kept ?? []));
    this.apis.splice(0, Infinity, ...this.apis.filter((api) => keep.includes(api)));
    for (const network of [this.mongoNetwork, this.redisNetwork, this.balancer]) network.recover();
    for (const server of [this.mongo, this.redis]) {
      server.resume();
      if (!server.isRunning) await server.start();
    }
    await this.reconnect();
    this.engine.reset();
    this.engine.otherwise({ does: 'answer', text: ({ file }) => heardIn(file?.sha256 ?? 'nothing') });
  }

  async stop(): Promise<void> {
    await this.clear();
    await this.client.close(true);
    await Promise.all([this.mongoNetwork, this.redisNetwork, this.balancer].map((network) => network.close()));
    await this.engine.close();
    await Promise.all([this.mongo.stop(), this.redis.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async run(role: 'api' | 'worker', settings: Record<string, string>): Promise<ServiceProcess> {
    const service = ServiceProcess.spawn(role, { ...this.environment, ...settings });
    this.services.push(service);
    await service.ready();
    return service;
  }

  private connect(): mongoose.mongo.MongoClient {
    return new mongoose.mongo.MongoClient(this.mongo.uri, { serverSelectionTimeoutMS: 5000 });
  }
}

const portOf = (server: PrivateServer): number => Number(new URL(server.uri).port);

/** An id that no other test has. */
export const uniqueId = (what: string): string => `${what}-${randomBytes(4).toString('hex')}`;
