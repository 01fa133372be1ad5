import { Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answered, ApiClient } from '../support/api-client.js';
import { Seeded } from '../support/seeded.js';
import { ServiceSlot } from '../support/service-slot.js';
import { until } from '../support/until.js';
import { Stand, heardIn, noise, sha256Of } from '../support/stand.js';

/** What is done to the service, and how often in a hundred. */
const FAULTS = {
  'SIGKILL api': 16,
  'SIGKILL worker': 18,
  'SIGKILL redis': 8,
  'SIGKILL mongodb': 8,
  FLUSHALL: 8,
  'SIGSTOP worker': 7,
  'SIGSTOP api': 5,
  'SIGTERM worker': 5,
  'SIGTERM api': 5,
  'cut to mongodb': 6,
  'cut to redis': 4,
  'cut to clients': 6,
  'slow network': 4,
} as const;
export type Fault = keyof typeof FAULTS;

/** Every attempt may be the one that is killed: what is tested is that none is lost, not where patience ends. */
const SETTINGS = { STAGE_ATTEMPTS: '20', SHUTDOWN_TIMEOUT_S: '5', TRANSCRIPTION_CONCURRENCY: '2' };
const ENGINE_MS = 60;
const LEASE_MS = 2000;
const REST_MS = 120_000;
const PATIENCE_MS = 4000;

export interface ChaosOptions {
  seconds: number;
  seed: number;
  users?: number;
  /** Whether MongoDB may be killed: only an engine that keeps its data comes back with it. */
  mongoKeepsData: boolean;
  say?: (line: string) => void;
}

export interface ChaosResult {
  faults: Partial<Record<Fault, number>>;
  /** Processes and servers ended by SIGKILL. */
  kills: number;
  /** Requests answered with 200, and those that were not, or were cut off; each of these was sent again. */
  acknowledged: number;
  refused: number;
  /** Answers to uploads that were neither 200 nor 503, with what the API logged. */
  unexpected: string[];
  /** Acknowledged answers without the right transcript. */
  lost: string[];
  /** Uploads transcribed more than once to the end, and questions with two answers that count. */
  doubled: string[];
  orphans: string[];
  /** From the last fault until nothing was under way any more, in seconds. */
  restedAfterS: number;
}

/** What a question may say: the take that was acknowledged last, or one that was sent after it. */
type Expected = Map<string, { user: ApiClient; question: string; texts: Set<string> }>;

/** Uploads from several users without a pause while everything that can be killed is killed; then looks for what got lost. */
export class Chaos {
  private readonly random: Seeded;
  private readonly expected: Expected = new Map();
  private readonly faults: Partial<Record<Fault, number>> = {};
  private readonly healing = new Set<Promise<void>>();
  private readonly slots: ServiceSlot[] = [];
  private readonly unexpected: Answered[] = [];
  private acknowledged = 0;
  private refused = 0;
  private uploading = true;

  private constructor(
    private readonly stand: Stand,
    private readonly options: ChaosOptions,
  ) {
    this.random = new Seeded(options.seed);
  }

  static async run(options: ChaosOptions): Promise<ChaosResult> {
    const stand = await Stand.start(SETTINGS);
    const chaos = new Chaos(stand, options);
    try {
      return await chaos.run();
    } finally {
      await Promise.all(chaos.slots.map((slot) => slot.release()));
      await stand.stop();
    }
  }

  private async run(): Promise<ChaosResult> {
    const { stand, options } = this;
    const text = ({ file }: { file: { sha256: string } | null }) => heardIn(file?.sha256 ?? '');
    stand.engine.otherwise({ does: 'answer', delay: ENGINE_MS, text });
    for (const role of ['api', 'api', 'worker', 'worker'] as const)
      this.slots.push(new ServiceSlot(`${role} ${this.slots.length}`, () => stand[role]()));
    await Promise.all(this.slots.map(({ ready }) => ready));
    const names = Array.from({ length: options.users ?? 4 }, (_, i) => `user-${i}`);
    const users = await Promise.all(names.map((name) => stand.user(name)));
    await Promise.all(users.map((user) => user.createSession('chaos')));

    const uploads = Promise.all(users.map((user, i) => this.uploadOn(user, new Seeded(options.seed + 1 + i))));
    const end = performance.now() + options.seconds * 1000;
    while (performance.now() < end) {
      const before = this.acknowledged;
      await this.strike();
      await delay(100 + this.random.below(400));
      // On a busy machine processes start slowly: faults that only meet other faults would test nothing.
      const goesOn = () => this.acknowledged >= before + users.length;
      await until('uploads go on', goesOn, Boolean, PATIENCE_MS).catch(() => undefined);
    }
    await Promise.all(this.healing);
    const last = performance.now();
    this.uploading = false;
    await uploads;
    await stand.reconnect();
    return this.judge(last);
  }

  /** One user: answers questions one by one, sends some again or anew, and tries until each is acknowledged. */
  private async uploadOn(user: ApiClient, random: Seeded): Promise<void> {
    for (let i = 0; this.uploading; i++) {
      const question = i > 3 && random.below(10) === 0 ? `q${random.below(i)}` : `q${i}`;
      const key = `${user.userId}/${question}`;
      const bytes = random.below(20) === 0 ? 1_500_000 : 3000 + random.below(60_000);
      const audio = noise(`${key}/${i}/${this.options.seed}`, bytes);
      const said = heardIn(sha256Of(audio));
      const known = this.expected.get(key) ?? { user, question, texts: new Set<string>() };
      known.texts.add(said);
      await this.uploadUntilTaken(user, question, audio);
      if (random.below(10) === 0) await this.uploadUntilTaken(user, question, audio);
      this.expected.set(key, { ...known, texts: new Set([said]) });
      // It keeps what it was sent, for tests that look at it.
      this.stand.engine.requests.length = 0;
    }
  }

  private async uploadUntilTaken(user: ApiClient, question: string, audio: Buffer): Promise<void> {
    for (;;) {
      const answer = await user.upload('chaos', question, audio).catch(() => null);
      if (answer?.status === 200) {
        this.acknowledged += 1;
        return;
      }
      this.refused += 1;
      if (answer && answer.status !== 503) this.unexpected.push(answer);
      await delay(50);
    }
  }

  /** What the API that gave the answer logged about it. */
  private reasonOf({ status, headers, json }: Answered): string {
    const id = headers['x-correlation-id'];
    const lines = this.stand.services.flatMap((service) => (typeof id === 'string' ? service.about(id) : []));
    const failed = lines.find((line) => 'err' in line);
    return `${status} ${JSON.stringify(failed?.['err'] ?? json).slice(0, 1500)}`;
  }

  private async strike(): Promise<void> {
    const fault = this.choose();
    const struck = await this.carryOut(fault);
    if (!struck) return;
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    this.options.say?.(`${fault} (${this.acknowledged} acknowledged)`);
  }

  private choose(): Fault {
    const all = Object.entries(FAULTS) as [Fault, number][];
    let left = this.random.below(all.reduce((sum, [, weight]) => sum + weight, 0));
    return all.find(([, weight]) => (left -= weight) < 0)?.[0] ?? 'FLUSHALL';
  }

  /** @returns whether there was something to strike */
  private async carryOut(fault: Fault): Promise<boolean> {
    const { stand } = this;
    const [what, target = ''] = fault.split(' ');
    switch (fault) {
      case 'SIGKILL redis':
      case 'SIGKILL mongodb': {
        const server = fault === 'SIGKILL redis' ? stand.redis : stand.mongo;
        if (!server.isRunning || (server === stand.mongo && !this.options.mongoKeepsData)) return false;
        await server.kill();
        this.later(this.random.below(1500), () => server.start());
        return true;
      }
      case 'FLUSHALL':
        return this.flush();
      case 'cut to mongodb':
        return stand.mongoNetwork.cut() > 0;
      case 'cut to redis':
        return stand.redisNetwork.cut() > 0;
      case 'cut to clients':
        return stand.balancer.cut() > 0;
      case 'slow network': {
        const network = this.random.pick([stand.mongoNetwork, stand.redisNetwork, stand.balancer]);
        network.delayMs = 20 + this.random.below(150);
        this.later(1000 + this.random.below(1500), () => (network.delayMs = 0));
        return true;
      }
      default: {
        const running = this.slots.filter(({ name, current }) => name.startsWith(target) && current);
        // Now and then none of its kind is left; were it always so, little would be under way to lose.
        if (running.length < 2 && this.random.below(4) > 0) return false;
        const service = running.length > 0 ? this.random.pick(running).current : null;
        service?.signal(what as NodeJS.Signals);
        if (what === 'SIGSTOP') {
          const ms = target === 'worker' ? LEASE_MS + 1500 : 500 + this.random.below(3500);
          this.later(ms, () => service?.signal('SIGCONT'));
        }
        return service !== null;
      }
    }
  }

  private async flush(): Promise<boolean> {
    if (!this.stand.redis.isRunning) return false;
    const redis = new Redis(this.stand.redis.uri, { retryStrategy: null, maxRetriesPerRequest: 0 });
    redis.on('error', () => undefined);
    try {
      await redis.flushall();
      return true;
    } catch {
      return false;
    } finally {
      redis.disconnect();
    }
  }

  private later(ms: number, heal: () => unknown): void {
    const healed = delay(ms)
      .then(heal)
      .then(() => void this.healing.delete(healed));
    this.healing.add(healed);
  }

  private async judge(last: number): Promise<ChaosResult> {
    const { stand } = this;
    const orphans: string[] = [];
    // What does not come to rest is what got lost: it is counted below.
    await stand.rests(REST_MS).catch((error: Error) => orphans.push(error.message));
    const restedAfterS = (performance.now() - last) / 1000;
    if (orphans.length === 0) orphans.push(...(await stand.orphans()));

    const lost: string[] = [];
    for (const [key, { user, question, texts }] of this.expected) {
      const { json } = await user.get(`/api/transcription-status/chaos/${question}`);
      if (json.status !== 'completed' || !texts.has(json.transcript)) lost.push(`${key}: ${JSON.stringify(json)}`);
    }
    const { faults, acknowledged, refused } = this;
    // Now, since a process writes its log a little later than its answers.
    const unexpected = this.unexpected.map((answer) => this.reasonOf(answer));
    const killed = Object.entries(faults).filter(([fault]) => fault.startsWith('SIGKILL'));
    const kills = killed.reduce((sum, [, count]) => sum + count, 0);
    const doubled = await this.doubled();
    return { faults, kills, acknowledged, refused, unexpected, lost, doubled, orphans, restedAfterS };
  }

  private async doubled(): Promise<string[]> {
    const { database } = this.stand;
    const transcribed = await database
      .collection('attempts')
      .aggregate([
        { $match: { stage: 'transcription', outcome: 'done' } },
        { $group: { _id: '$upload_id', count: { $sum: 1 } } },
        { $match: { count: { $gt: 1 } } },
      ])
      .toArray();
    const rows = await database.collection('uploads').find({ state: 'committed' }).toArray();
    const counted = new Map<string, number>();
    for (const { user_id, question_id } of rows) {
      const key = `${String(user_id)}/${String(question_id)}`;
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
    const answered = [...counted].filter(([, count]) => count > 1);
    return [
      ...transcribed.map(({ _id, count }) => `upload ${String(_id)} was transcribed ${String(count)} times`),
      ...answered.map(([key, count]) => `${key} has ${count} answers that count`),
    ];
  }
}
