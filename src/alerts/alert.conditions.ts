import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { Config } from '../config/config.js';
import { QueueDepths } from '../queue/queue-depths.js';
import { WorkerPresence } from '../queue/worker-presence.js';
import { Ledger } from '../uploads/ledger.js';
import { stagePath } from '../uploads/stage-path.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { Condition } from './condition.js';

const FAILURES_MS = 5 * 60_000;
const LETTERS_MS = 30 * 60_000;
/** What the sender, or the way to us, broke off; what was refused is no fault of the service. */
const BROKEN_OFF = ['upload_interrupted', 'upload_timeout', 'upload_expired'];

/** What the service can know of itself as a whole: the conditions of deploy/prometheus/alerts.yml, from the ledger. */
@Injectable()
export class AlertConditions {
  constructor(
    private readonly ledger: Ledger,
    private readonly depths: QueueDepths,
    private readonly presence: WorkerPresence,
    private readonly config: Config,
  ) {}

  /** Each looks for itself; what cannot be known at the moment is left out. */
  async read(): Promise<Condition[]> {
    const looks = [this.failures(), this.uploadFailures(), this.queues(), this.deadLetters(), this.workers()];
    const found = await Promise.allSettled(looks);
    return found.flatMap((look) => (look.status === 'fulfilled' ? look.value : []));
  }

  private async failures(): Promise<Condition[]> {
    const ended = { _id: { $gte: idAt(Date.now() - FAILURES_MS) } };
    // For a worker that went away with the last attempt there is no other record.
    const lost = { outcome: 'lost' as const, number: { $gte: this.config.STAGE_ATTEMPTS } };
    const [done, failed] = await Promise.all([
      this.ledger.attempts.countDocuments({ outcome: 'done', ...ended }),
      this.ledger.attempts.countDocuments({ $or: [{ outcome: 'failed' }, lost], ...ended }),
    ]);
    return [this.rate('failures', 'stages failed for good', failed, done)];
  }

  private async uploadFailures(): Promise<Condition[]> {
    const since = Date.now() - FAILURES_MS;
    const brokenOff = { 'error.code': { $in: BROKEN_OFF }, updated_at: { $gte: new Date(since) } };
    const [failed, whole] = await Promise.all([
      this.ledger.rows.countDocuments({ state: 'failed', ...brokenOff }),
      this.ledger.rows.countDocuments({
        _id: { $gte: idAt(since) },
        state: { $in: ['committed', 'duplicate', 'superseded'] },
      }),
    ]);
    return [this.rate('upload_failures', 'uploads did not arrive whole', failed, whole)];
  }

  private rate(id: string, what: string, failed: number, well: number): Condition {
    const threshold = this.config.ALERT_FAILURE_PERCENT;
    const value = failed === 0 ? 0 : round((100 * failed) / (failed + well));
    const summary = `${value} % of the ${what} in 5 minutes`;
    return { id, severity: 'critical', summary, value, threshold, holds: value > threshold, forS: 0 };
  }

  private async queues(): Promise<Condition[]> {
    const { ALERT_BACKLOG, ALERT_OLDEST_WAIT_S, ALERT_HOLD_S } = this.config;
    return (await this.depths.read()).flatMap(({ stage, depth, oldestWaitS }): Condition[] => [
      {
        id: `backlog:${stage}`,
        severity: 'warning',
        summary: `${depth.due} stages wait in ${stage}`,
        value: depth.due,
        threshold: ALERT_BACKLOG,
        holds: depth.due > ALERT_BACKLOG,
        forS: ALERT_HOLD_S,
      },
      {
        id: `oldest_wait:${stage}`,
        severity: 'critical',
        summary: `A stage of ${stage} has waited for ${Math.round(oldestWaitS)} seconds`,
        value: round(oldestWaitS),
        threshold: ALERT_OLDEST_WAIT_S,
        holds: oldestWaitS > ALERT_OLDEST_WAIT_S,
        forS: 0,
      },
    ]);
  }

  private async deadLetters(): Promise<Condition[]> {
    const since = new Date(Date.now() - LETTERS_MS);
    const counts = await Promise.all(
      STAGES.map((stage) =>
        this.ledger.rows.countDocuments({
          state: 'committed',
          [stagePath(stage, 'state')]: 'failed',
          [stagePath(stage, 'finished_at')]: { $gte: since },
        }),
      ),
    );
    const value = counts.reduce((sum, count) => sum + count, 0);
    const threshold = this.config.ALERT_DEAD_LETTERS;
    const summary = `${value} new dead letters in 30 minutes`;
    return [
      { id: 'dead_letters_grow', severity: 'warning', summary, value, threshold, holds: value > threshold, forS: 0 },
    ];
  }

  /** Left out while Redis, where they report, is away. */
  private async workers(): Promise<Condition[]> {
    const value = await this.presence.alive();
    return [
      {
        id: 'no_worker',
        severity: 'critical',
        summary: value === 0 ? 'No worker has reported lately' : `${value} workers have reported lately`,
        value,
        threshold: 1,
        holds: value < 1,
        forS: this.config.ALERT_HOLD_S,
      },
    ];
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** Ids of attempts are made at their end, and hold whole seconds. */
const idAt = (ms: number): mongo.ObjectId => mongo.ObjectId.createFromTime(Math.floor(ms / 1000));
