import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { runWithCorrelation } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { isMongoAway } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import { AudioCleanup } from './audio-cleanup.js';
import { SweepLock, sweepId } from './sweep.lock.js';
import type { Lock } from './sweep.lock.js';

/** @param signal asks it to end, before its work is done */
export type RareStep = (signal: AbortSignal) => Promise<unknown>;

/** Where it is noted when they were done last. */
const NOTED = 'sweep';
const LOCK = 'sweep-rare';
const EVERY_MS = 3_600_000;

/**
 * What is done once an hour: it goes through all that is stored, which takes minutes on a large installation. So it has a lock of its own,
 * and the sweep goes on beside it.
 */
@Injectable()
export class RareSteps {
  private readonly steps: RareStep[];
  private readonly locks: mongo.Collection<Lock>;
  private readonly lock: SweepLock;
  private running: Promise<void> | null = null;

  constructor(
    @InjectConnection() connection: Connection,
    cleanup: AudioCleanup,
    config: Config,
    private readonly log: Log,
  ) {
    this.locks = nativeCollection<Lock>(connection, 'locks');
    this.lock = new SweepLock(this.locks, LOCK, config.STAGE_LEASE_S * 1000);
    this.steps = [(signal) => cleanup.run(config.AUDIO_RETENTION_H, false, signal)];
  }

  add(step: RareStep): void {
    this.steps.push(step);
  }

  /** Begins them, unless they were done within the hour or are under way anywhere. Nobody has to wait for them. */
  start(stopping: AbortSignal): void {
    this.running ??= runWithCorrelation(sweepId(), () => this.whenDue(stopping))
      .catch((error: unknown) => this.log.pino.warn({ err: error }, 'Rare steps of the sweep not done'))
      .finally(() => {
        this.running = null;
      });
  }

  /** Resolves when none is under way here any more. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async whenDue(stopping: AbortSignal): Promise<void> {
    if (!(await this.areDue())) return;
    await this.lock.hold(stopping, async (signal) => {
      // Another may have done them between our look and our lock.
      if (await this.areDue()) await this.run(signal);
    });
  }

  private async areDue(): Promise<boolean> {
    const noted = await this.locks.findOne({ _id: NOTED });
    return !noted?.cleaned_at || Date.now() - noted.cleaned_at.getTime() >= EVERY_MS;
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (const step of this.steps) {
      if (signal.aborted) return;
      try {
        await step(signal);
      } catch (error) {
        // One step's trouble (S3 away, say) must not keep the others from their work, nor have all of it done at every sweep.
        this.log.pino.warn({ err: error }, 'Rare step of the sweep failed, the next time will do it');
        if (isMongoAway(error)) return;
      }
    }
    // What was cut short is begun anew, by whoever sweeps next.
    if (!signal.aborted) await this.locks.updateOne({ _id: NOTED }, { $set: { cleaned_at: new Date() } });
  }
}
