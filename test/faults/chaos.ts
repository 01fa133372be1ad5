import { Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import { Seeded } from '../support/seeded.js';
import { ServiceSlot } from '../support/service-slot.js';
import { Stand, heardIn } from '../support/stand.js';
import { until } from '../support/until.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { Candidates } from './candidates.js';
import { type Verdict, verdictOn } from './verdict.js';

/** What is done to the service, and how often in a hundred. */
const FAULTS = {
  'SIGKILL api': 18,
  'SIGKILL worker': 20,
  'SIGKILL redis': 10,
  'SIGKILL mongodb': 10,
  FLUSHALL: 7,
  'SIGSTOP worker': 6,
  'SIGSTOP api': 4,
  'SIGTERM worker': 4,
  'SIGTERM api': 4,
  'cut to mongodb': 5,
  'cut to redis': 3,
  'cut to clients': 5,
  'slow network': 4,
} as const;
export type Fault = keyof typeof FAULTS;

/** Where a run differs from a service as it is delivered, and from the short times of all suites with processes; bench/FAULTS.md says why. */
export const SETTINGS = {
  STAGE_ATTEMPTS: '20',
  SHUTDOWN_TIMEOUT_S: '5',
  TRANSCRIPTION_CONCURRENCY: '2',
  ARCHIVE_TIMEOUT_S: '15',
  WEBHOOK_ALLOW_PRIVATE: 'true',
  WEBHOOK_TIMEOUT_S: '2',
  WEBHOOK_RETRY_S: '0.2,0.2,0.5,0.5,1,1,1,1,1,1',
};
const ENGINE_MS = 60;
const LEASE_MS = 2000;
const PATIENCE_MS = 4000;

export interface ChaosOptions {
  seconds: number;
  /** It ends earlier when so many processes and servers were killed. */
  kills?: number;
  seed: number;
  users?: number;
  /** Whether MongoDB may be killed: only an engine that keeps its data comes back with it. */
  mongoKeepsData: boolean;
  say?: (line: string) => void;
}

export interface ChaosResult extends Verdict {
  faults: Partial<Record<Fault, number>>;
  /** Processes and servers ended by SIGKILL. */
  kills: number;
  /** Requests answered with 200, and those that were not, or were cut off; each of these was sent again. */
  acknowledged: number;
  refused: number;
  /** Answers that were neither 200 nor 503, with what the processes logged about them. */
  unexpected: string[];
  /** How long it struck, and from the last fault until everything was found to be well, in seconds. */
  tookS: number;
  restedAfterS: number;
}

/** Has several users answer without a pause while everything that can be killed is killed; then looks for what got lost. */
export class Chaos {
  private readonly random: Seeded;
  private readonly faults: Partial<Record<Fault, number>> = {};
  private readonly healing = new Set<Promise<void>>();
  private readonly slots: ServiceSlot[] = [];

  private constructor(
    private readonly stand: Stand,
    private readonly receiver: WebhookReceiver,
    private readonly options: ChaosOptions,
  ) {
    this.random = new Seeded(options.seed);
  }

  static async run(options: ChaosOptions): Promise<ChaosResult> {
    const stand = await Stand.start(SETTINGS);
    const receiver = await WebhookReceiver.start();
    const chaos = new Chaos(stand, receiver, options);
    try {
      return await chaos.run();
    } finally {
      await Promise.all(chaos.slots.map((slot) => slot.release()));
      await stand.stop();
      await receiver.stop();
    }
  }

  private async run(): Promise<ChaosResult> {
    const { stand, receiver, options } = this;
    const text = ({ file }: { file: { sha256: string } | null }) => heardIn(file?.sha256 ?? '');
    stand.engine.otherwise({ does: 'answer', delay: ENGINE_MS, text });
    await this.keepRunning('api');
    const admin = await stand.user('admin');
    // Before the others start: they know of it from their first answer on.
    const hook = { url: receiver.url(), events: ['answer.completed'], scope: 'global' };
    const { status } = await admin.post('/api/webhooks', hook);
    if (status !== 201) throw new Error(`The webhook was answered with ${status}`);
    await this.keepRunning('api', 'worker', 'worker');

    const candidates = await Candidates.arrive(stand, options.users ?? 4, options.seed);
    candidates.start();
    const began = performance.now();
    await this.strikeOn(candidates);
    const last = performance.now();
    await candidates.finish();
    await stand.reconnect();

    const verdict = await verdictOn(stand, candidates.expected.values(), admin, receiver);
    const { acknowledged, refused } = candidates;
    const times = { tookS: (last - began) / 1000, restedAfterS: (performance.now() - last) / 1000 };
    const unexpected = await candidates.unexpected();
    if (Object.values(verdict).some((found: string[]) => found.length > 0)) this.sayWhatWasLogged();
    return { ...verdict, faults: this.faults, kills: this.kills, acknowledged, refused, unexpected, ...times };
  }

  /** The last that the running processes logged, for whoever looks for the reason. */
  private sayWhatWasLogged(): void {
    const running = this.stand.services.filter(({ isRunning }) => isRunning);
    for (const { role, pid, tail } of running.map((one) => ({ role: one.role, pid: one.pid, tail: one.tail() })))
      this.options.say?.(`${role} ${pid}:\n${tail}`);
  }

  private async keepRunning(...roles: ('api' | 'worker')[]): Promise<void> {
    const slots = roles.map((role) => new ServiceSlot(role, () => this.stand[role]()));
    this.slots.push(...slots);
    await Promise.all(slots.map(({ ready }) => ready));
  }

  private get kills(): number {
    const killed = Object.entries(this.faults).filter(([fault]) => fault.startsWith('SIGKILL'));
    return killed.reduce((sum, [, count]) => sum + count, 0);
  }

  private async strikeOn(candidates: Candidates): Promise<void> {
    const { seconds, kills = Infinity, users = 4 } = this.options;
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end && this.kills < kills) {
      const before = candidates.acknowledged;
      await this.strike(before);
      await delay(100 + this.random.below(400));
      // On a busy machine processes start slowly: faults that only meet other faults would test nothing.
      const goesOn = () => candidates.acknowledged >= before + users;
      await until('answers go on', goesOn, Boolean, PATIENCE_MS).catch(() => undefined);
    }
    await Promise.all(this.healing);
  }

  private async strike(acknowledged: number): Promise<void> {
    const fault = this.choose();
    const struck = await this.carryOut(fault);
    if (!struck) return;
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    this.options.say?.(
      `${fault} (${this.kills} kills, ${acknowledged} acknowledged, ${this.receiver.received.length} told)`,
    );
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
        const running = this.slots.filter(({ name, current }) => name === target && current);
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
}
