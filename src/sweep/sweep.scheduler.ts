import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleDestroy } from '@nestjs/common';
import { InjectQueue } from '@nestjs/bull';
import { InjectConnection } from '@nestjs/mongoose';
import type { Queue } from 'bull';
import type { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { runWithCorrelation } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { raceAbort } from '../common/race-abort.js';
import { Config } from '../config/config.js';
import { SWEEP_QUEUE } from '../queue/queues.js';
import { RareSteps } from './rare-steps.js';
import type { RareStep } from './rare-steps.js';
import { SweepLock, sweepId } from './sweep.lock.js';
import type { Lock } from './sweep.lock.js';
import { Sweeper } from './sweeper.js';

const LOCK = 'sweep';
const JOB_ID = 'periodic';
/** Intervals without a sweep anywhere, after which Bull is not waited for. */
const MISSED = 2;
/** What does not end when it is asked to is left alone at shutdown: every step may be cut off anywhere, as by a kill. */
const PATIENCE_MS = 2000;

/**
 * Sweeps at `SWEEP_INTERVAL_S`, one at a time over all replicas: a repeatable Bull job says when, a lock in MongoDB makes sure.
 * The job is added again at each interval, since it goes when Redis is emptied; where Redis is away, or hangs, the sweep runs all the same.
 */
@Injectable()
export class SweepScheduler implements OnModuleDestroy, OnApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private startedAt = 0;
  private readonly stopping = new AbortController();
  private readonly locks: mongo.Collection<Lock>;
  private readonly lock: SweepLock;

  constructor(
    @InjectQueue(SWEEP_QUEUE) private readonly queue: Queue,
    @InjectConnection() connection: Connection,
    private readonly sweeper: Sweeper,
    private readonly rare: RareSteps,
    private readonly config: Config,
    private readonly log: Log,
  ) {
    this.locks = nativeCollection<Lock>(connection, 'locks');
    // A sweeper that died is followed as soon as a worker that died.
    this.lock = new SweepLock(this.locks, LOCK, config.STAGE_LEASE_S * 1000);
  }

  /** Has `step` run as often as old audio is cleaned up, beside the sweep. */
  addRare(step: RareStep): void {
    this.rare.add(step);
  }

  start(): void {
    this.queue.on('error', (error) => this.log.pino.warn({ err: error, queue: SWEEP_QUEUE }, 'Queue error'));
    this.queue.process(1, () => this.once()).catch(() => undefined);
    this.startedAt = Date.now();
    const every = this.config.SWEEP_INTERVAL_S * 1000;
    this.timer = setInterval(() => this.tick(every), every);
    this.tick(every);
  }

  private tick(every: number): void {
    const isThere = this.queue.client.status === 'ready';
    void this.sweepInstead(isThere, every).catch(() => undefined);
    if (!isThere) return;
    this.queue
      .add({}, { jobId: JOB_ID, repeat: { every }, removeOnComplete: true, removeOnFail: 10 })
      .catch((error: unknown) => this.log.pino.warn({ err: error }, 'Sweep not scheduled'));
  }

  /** A Redis that hangs looks as if it were there: only that nobody has swept tells. */
  private async sweepInstead(isThere: boolean, every: number): Promise<void> {
    if (!isThere || Date.now() - (await this.sweptAt()) > MISSED * every) await this.once();
  }

  private async sweptAt(): Promise<number> {
    const lock = await this.locks.findOne({ _id: LOCK });
    return Math.max(this.startedAt, lock?.swept_at?.getTime() ?? 0);
  }

  /** One sweep, unless another is under way anywhere, or the process is stopping. */
  async once(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    this.running ??= runWithCorrelation(sweepId(), () => this.locked()).finally(() => {
      this.running = null;
    });
    await this.running;
  }

  private async locked(): Promise<void> {
    const { signal: stopping } = this.stopping;
    const isOurs = await this.lock.hold(stopping, async (signal) => {
      await this.sweeper.sweep(false, signal);
      if (!signal.aborted) await this.locks.updateOne({ _id: LOCK }, { $set: { swept_at: new Date() } });
    });
    if (isOurs) this.rare.start(stopping);
  }

  onModuleDestroy(): void {
    if (this.timer) clearInterval(this.timer);
    this.stopping.abort();
  }

  async onApplicationShutdown(): Promise<void> {
    const ended = Promise.allSettled([this.running, this.rare.settled()]);
    await raceAbort(ended, AbortSignal.timeout(PATIENCE_MS)).catch(() => undefined);
  }
}
