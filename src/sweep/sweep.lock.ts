import { randomUUID } from 'node:crypto';
import type { mongo } from 'mongoose';
import { isDuplicateKey } from '../common/mongo-errors.js';

export interface Lock {
  _id: string;
  owner: string;
  until: Date;
  /** When the last sweep came to its end. */
  swept_at?: Date;
  /** When the rare steps were last done. */
  cleaned_at?: Date;
}

/** Held by one process at a time, over all replicas, for as long as that renews it. */
export class SweepLock {
  constructor(
    private readonly locks: mongo.Collection<Lock>,
    private readonly _id: string,
    private readonly leaseMs: number,
  ) {}

  /**
   * Does the work, unless another holds the lock.
   *
   * @param stopping asks the work to end
   * @param work is given a signal that says so, and also that the lock is another's by now
   * @returns false when it is another's: nothing was done
   */
  async hold(stopping: AbortSignal, work: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    const owner = sweepId();
    if (stopping.aborted || !(await this.acquire(owner))) return false;
    const ending = new AbortController();
    const end = () => ending.abort();
    stopping.addEventListener('abort', end, { once: true });
    if (stopping.aborted) end();
    const renew = () => this.renew(owner).then((isOurs) => (isOurs ? undefined : end()));
    const renewal = setInterval(() => void renew().catch(() => undefined), this.leaseMs / 3);
    try {
      await work(ending.signal);
    } finally {
      stopping.removeEventListener('abort', end);
      clearInterval(renewal);
      await this.locks.updateOne({ _id: this._id, owner }, { $set: { until: new Date(0) } });
    }
    return true;
  }

  private async acquire(owner: string): Promise<boolean> {
    const until = new Date(Date.now() + this.leaseMs);
    const { modifiedCount } = await this.locks.updateOne(
      { _id: this._id, until: { $lt: new Date() } },
      { $set: { owner, until } },
    );
    if (modifiedCount === 1) return true;
    try {
      await this.locks.insertOne({ _id: this._id, owner, until });
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  private async renew(owner: string): Promise<boolean> {
    const until = new Date(Date.now() + this.leaseMs);
    return (await this.locks.updateOne({ _id: this._id, owner }, { $set: { until } })).matchedCount === 1;
  }
}

/** Tells one sweep from another in the log and in the lock. */
export const sweepId = (): string => `sweep-${randomUUID()}`;
