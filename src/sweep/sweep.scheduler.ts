import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { InjectQueue } from '@nestjs/bull';
import { InjectConnection } from '@nestjs/mongoose';
import type { Queue } from 'bull';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { runWithCorrelation } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { isDuplicateKey, isMongoAway } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import { SWEEP_QUEUE } from '../queue/queues.js';
import { AudioCleanup } from './audio-cleanup.js';
import { Sweeper, sweepId } from './sweeper.js';

interface Lock {
  _id: string;
  owner: string;
  until: Date;
  /** When old audio was last looked for. */
  cleaned_at?: Date;
}

const LOCK = 'sweep';
const CLEANUP_EVERY_MS = 3_600_000;
const JOB_ID = 'periodic';

/**
 * Sweeps at `SWEEP_INTERVAL_S`, one at a time over all replicas: a repeatable Bull job says when, a lock in MongoDB makes sure.
 * The job is added again at each interval, since it goes when Redis is emptied; where Redis is away the sweep runs all the same.
 */
@Injectable()
export class SweepScheduler implements OnApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private readonly rare: (() => Promise<unknown>)[] = [];
  private readonly locks: mongo.Collection<Lock>;
  /** A sweeper that died is followed as soon as a worker that died. */
  private readonly leaseMs: number;

  constructor(
    @InjectQueue(SWEEP_QUEUE) private readonly queue: Queue,
    @InjectConnection() connection: Connection,
    private readonly sweeper: Sweeper,
    private readonly cleanup: AudioCleanup,
    private readonly config: Config,
    private readonly log: Log,
  ) {
    this.locks = nativeCollection<Lock>(connection, 'locks');
    this.leaseMs = config.STAGE_LEASE_S * 1000;
  }

  /** Has `step` run as often as old audio is cleaned up, within the sweep's lock. */
  addRare(step: () => Promise<unknown>): void {
    this.rare.push(step);
  }

  start(): void {
    this.queue.on('error', (error) => this.log.pino.warn({ err: error, queue: SWEEP_QUEUE }, 'Queue error'));
    this.queue.process(1, () => this.once()).catch(() => undefined);
    const every = this.config.SWEEP_INTERVAL_S * 1000;
    this.timer = setInterval(() => this.tick(every), every);
    this.tick(every);
  }

  private tick(every: number): void {
    if (this.queue.client.status !== 'ready') {
      void this.once().catch(() => undefined);
      return;
    }
    this.queue
      .add({}, { jobId: JOB_ID, repeat: { every }, removeOnComplete: true, removeOnFail: 10 })
      .catch((error: unknown) => this.log.pino.warn({ err: error }, 'Sweep not scheduled'));
  }

  /** One sweep, unless another is under way anywhere. */
  async once(): Promise<void> {
    this.running ??= runWithCorrelation(sweepId(), () => this.locked()).finally(() => {
      this.running = null;
    });
    await this.running;
  }

  private async locked(): Promise<void> {
    const owner = sweepId();
    if (!(await this.acquire(owner))) return;
    const renewal = setInterval(() => void this.renew(owner).catch(() => undefined), this.leaseMs / 3);
    try {
      await this.sweeper.sweep();
      await this.cleanOldAudio();
    } finally {
      clearInterval(renewal);
      await this.locks.updateOne({ _id: LOCK, owner }, { $set: { until: new Date(0) } });
    }
  }

  private async cleanOldAudio(): Promise<void> {
    const lock = await this.locks.findOne({ _id: LOCK });
    if (lock?.cleaned_at && Date.now() - lock.cleaned_at.getTime() < CLEANUP_EVERY_MS) return;
    for (const step of [() => this.cleanup.run(this.config.AUDIO_RETENTION_H), ...this.rare]) {
      try {
        await step();
      } catch (error) {
        // One step's trouble (S3 away, say) must not keep the others from their work, nor have all of it done at every sweep.
        this.log.pino.warn({ err: error }, 'Rare step of the sweep failed, the next time will do it');
        if (isMongoAway(error)) return;
      }
    }
    await this.locks.updateOne({ _id: LOCK }, { $set: { cleaned_at: new Date() } });
  }

  private async acquire(owner: string): Promise<boolean> {
    const until = new Date(Date.now() + this.leaseMs);
    const { modifiedCount } = await this.locks.updateOne(
      { _id: LOCK, until: { $lt: new Date() } },
      { $set: { owner, until } },
    );
    if (modifiedCount === 1) return true;
    try {
      await this.locks.insertOne({ _id: LOCK, owner, until });
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  private async renew(owner: string): Promise<void> {
    await this.locks.updateOne({ _id: LOCK, owner }, { $set: { until: new Date(Date.now() + this.leaseMs) } });
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.running?.catch(() => undefined);
  }
}
