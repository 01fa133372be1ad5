import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { Connection, mongo } from 'mongoose';
import { Log } from '../common/logging.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Outbox } from '../events/outbox.js';
import { owing } from '../events/owed.js';
import type { Alert, AlertState } from './alert.schema.js';
import type { Condition } from './condition.js';
import { OF_A_HOST } from './space.conditions.js';

/** What is known of alerts: ok → pending → firing → ok, each step a conditional update, so that one process takes it. */
@Injectable()
export class AlertLedger {
  private readonly alerts: mongo.Collection<Alert>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly outbox: Outbox,
    private readonly log: Log,
  ) {
    this.alerts = nativeCollection<Alert>(connection, 'alerts');
  }

  /** Takes in what was found. */
  async note(condition: Condition): Promise<void> {
    const seen = await this.alerts.findOne({ _id: condition.id });
    if (!seen) {
      // What has never held is not worth a row.
      if (condition.holds && (await this.insert(condition))) await this.note(condition);
      return;
    }
    if (!condition.holds) return this.ends(seen, condition);
    if (seen.state === 'ok') await this.move(seen, 'pending', condition);
    const since = seen.state === 'pending' ? seen.since.getTime() : Date.now();
    if (seen.state === 'firing') await this.move(seen, 'firing', condition);
    else if (Date.now() - since >= condition.forS * 1000) await this.fires(seen, condition);
  }

  /** Those of machines that are gone are over: nobody has looked at them since. What cannot be looked at for a while goes on. */
  async resolveForgotten(before: Date): Promise<void> {
    const forgotten = await this.alerts.find({ state: 'firing', seen_at: { $lt: before } }).toArray();
    for (const seen of forgotten.filter(({ _id }) => _id.startsWith(OF_A_HOST))) {
      const summary = 'Nobody has looked at it any more: what it was about is gone';
      await this.ends(seen, { id: seen._id, severity: 'warning', summary, value: seen.value, threshold: 0 });
    }
  }

  private async insert({ id, value }: Condition): Promise<boolean> {
    const now = new Date();
    try {
      await this.alerts.insertOne({ _id: id, state: 'pending', since: now, seen_at: now, value, updated_at: now });
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  private async fires(seen: Alert, condition: Condition): Promise<void> {
    const expected: AlertState[] = ['ok', 'pending'];
    if (!(await this.change(seen._id, expected, 'firing', condition, new Date()))) return;
    const { id, value, threshold, summary } = condition;
    this.log.pino.warn({ alert: id, value, threshold }, `Alert: ${summary}`);
  }

  private async ends(seen: Alert, condition: Omit<Condition, 'holds' | 'forS'>): Promise<void> {
    if (seen.state === 'ok') return;
    if (seen.state === 'pending') return this.move(seen, 'ok', condition);
    if (!(await this.change(seen._id, ['firing'], 'ok', condition, seen.since))) return;
    this.log.pino.info({ alert: condition.id, value: condition.value }, 'Alert resolved');
  }

  /** Without a word to anybody. */
  private async move(seen: Alert, to: AlertState, { value }: Pick<Condition, 'value'>): Promise<void> {
    const now = new Date();
    const since = to === seen.state ? {} : { since: now };
    await this.alerts.updateOne(
      { _id: seen._id, state: seen.state },
      { $set: { ...since, state: to, seen_at: now, value } },
    );
  }

  /** Changes the state, and owes the event of it, at once. */
  private async change(
    id: string,
    from: AlertState[],
    to: 'firing' | 'ok',
    condition: Omit<Condition, 'holds' | 'forS'>,
    since: Date,
  ): Promise<boolean> {
    const now = new Date();
    const { severity, summary, value, threshold } = condition;
    const [alert, of = null] = id.split(':');
    const ended = to === 'ok' ? { resolved_at: now.toISOString() } : {};
    const event = owing(randomUUID(), {
      type: to === 'firing' ? 'alert.firing' : 'alert.resolved',
      at: now,
      user_id: null,
      session_id: null,
      upload_id: null,
      correlation_id: null,
      data: { alert, of, severity, summary, value, threshold, since: since.toISOString(), ...ended },
    });
    const { modifiedCount } = await this.alerts.updateOne(
      { _id: id, state: { $in: from } },
      { $set: { state: to, since: now, seen_at: now, updated_at: now, value, ...event } },
    );
    if (modifiedCount === 1) this.outbox.nudge('alerts', id);
    return modifiedCount === 1;
  }
}
