import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { Metrics } from '../common/metrics.js';
import { areDuplicateKeys } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import type { DeliveryState, WebhookAttempt, WebhookDelivery } from './delivery.schema.js';

const DAY_MS = 86_400_000;

/** What is known of a delivery before its first attempt. */
export type NewDelivery = Pick<
  WebhookDelivery,
  'webhook_id' | 'event_id' | 'type' | 'body' | 'subject' | 'session_id' | 'upload_id' | 'correlation_id'
>;

/** A delivery in the hands of one sender; what that writes, it writes only while its token holds. */
export type HeldDelivery = WebhookDelivery & { token: string };

/** Deliveries and their attempts: due → sending → delivered, failed or due again, each step a conditional update. */
@Injectable()
export class DeliveryRepository {
  private readonly rows: mongo.Collection<WebhookDelivery>;
  private readonly attempts: mongo.Collection<WebhookAttempt>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly config: Config,
    private readonly metrics: Metrics,
  ) {
    this.rows = nativeCollection<WebhookDelivery>(connection, 'webhook_deliveries');
    this.attempts = nativeCollection<WebhookAttempt>(connection, 'webhook_attempts');
  }

  /** Records deliveries that are due at once. One that is there already stays as it is. @throws when one is not recorded */
  async create(deliveries: NewDelivery[]): Promise<WebhookDelivery[]> {
    if (deliveries.length === 0) return [];
    const now = new Date();
    const rows = deliveries.map((delivery): WebhookDelivery => ({
      ...delivery,
      _id: new mongo.ObjectId(),
      state: 'due',
      due_at: now,
      tries: 0,
      attempts: 0,
      token: null,
      lease_until: null,
      by_hand: false,
      finished_at: null,
      status_code: null,
      error: null,
      created_at: now,
      expires_at: this.expiry(),
    }));
    try {
      await this.rows.insertMany(rows, { ordered: false });
    } catch (error) {
      if (!areDuplicateKeys(error)) throw error;
    }
    return rows;
  }

  async due(webhookId: mongo.ObjectId, limit: number): Promise<WebhookDelivery[]> {
    return this.rows
      .find({ webhook_id: webhookId, state: 'due', due_at: { $lte: new Date() } })
      .sort({ due_at: 1 })
      .limit(limit)
      .toArray();
  }

  /** When the next one of a webhook that still waits is due. */
  async nextDueAt(webhookId: mongo.ObjectId): Promise<Date | null> {
    const [next] = await this.rows
      .find({ webhook_id: webhookId, state: 'due' }, { projection: { due_at: 1 } })
      .sort({ due_at: 1 })
      .limit(1)
      .toArray();
    return next?.due_at ?? null;
  }

  /** Takes a due delivery; null when somebody else did. */
  async claim(seen: WebhookDelivery): Promise<HeldDelivery | null> {
    const now = Date.now();
    const token = randomUUID();
    // As long as a request may take, and a stage's lease for what is done before and after it.
    const lease_until = new Date(now + (this.config.WEBHOOK_TIMEOUT_S + this.config.STAGE_LEASE_S) * 1000);
    const { modifiedCount } = await this.rows.updateOne(
      { _id: seen._id, state: 'due', due_at: { $lte: new Date(now) }, attempts: seen.attempts },
      { $set: { state: 'sending', token, lease_until }, $inc: { tries: 1, attempts: 1 } },
    );
    if (modifiedCount !== 1) return null;
    return { ...seen, state: 'sending', token, lease_until, tries: seen.tries + 1, attempts: seen.attempts + 1 };
  }

  /** Ends an attempt. False when the token no longer holds. */
  async end(held: HeldDelivery, state: DeliveryState, set: Partial<WebhookDelivery>): Promise<boolean> {
    const { modifiedCount } = await this.rows.updateOne(
      { _id: held._id, state: 'sending', token: held.token },
      {
        $set: { ...set, state, token: null, lease_until: null, finished_at: state === 'due' ? null : new Date() },
      },
    );
    return modifiedCount === 1;
  }

  /** Not worth sending any more. */
  async cancel(filter: mongo.Filter<WebhookDelivery>, code: string, message: string): Promise<number> {
    const set = { state: 'cancelled' as const, finished_at: new Date(), error: { code, message } };
    const due = { ...filter, state: 'due' as const };
    const types = await this.rows
      .aggregate<{ _id: WebhookDelivery['type'] }>([{ $match: due }, { $group: { _id: '$type' } }])
      .toArray();
    let count = 0;
    for (const { _id: type } of types) {
      const { modifiedCount } = await this.rows.updateMany({ ...due, type }, { $set: set });
      this.metrics.webhookDeliveries.labels(type, 'cancelled').inc(modifiedCount);
      count += modifiedCount;
    }
    return count;
  }

  /** Due again at once, with all its tries. False when it is being sent. */
  async again(delivery: WebhookDelivery): Promise<boolean> {
    const set = { state: 'due' as const, due_at: new Date(), tries: 0, by_hand: true, finished_at: null, error: null };
    const { modifiedCount } = await this.rows.updateOne(
      { _id: delivery._id, state: { $in: ['due', 'delivered', 'failed', 'cancelled'] } },
      { $set: { ...set, expires_at: this.expiry() } },
    );
    return modifiedCount === 1;
  }

  /** Those whose sender went away. */
  async lost(limit: number): Promise<HeldDelivery[]> {
    const found = await this.rows
      .find({ state: 'sending', lease_until: { $lt: new Date() } })
      .limit(limit)
      .toArray();
    return found.filter((row): row is HeldDelivery => row.token !== null);
  }

  /** The webhooks that have something due since before a time; at most so many. */
  async overdue(before: Date, limit: number): Promise<mongo.ObjectId[]> {
    // Of webhooks, not of deliveries: the backlog of one would hide all others.
    const due = { state: 'due', due_at: { $lt: before } };
    const found = await this.rows
      .aggregate<{ _id: mongo.ObjectId }>([{ $match: due }, { $group: { _id: '$webhook_id' } }, { $limit: limit }])
      .toArray();
    return found.map(({ _id }) => _id);
  }

  async pending(): Promise<number> {
    // The times are there for their indexes, which hold no others.
    const ever = { $gt: new Date(0) };
    const [due, sending] = await Promise.all([
      this.rows.countDocuments({ state: 'due', due_at: ever }),
      this.rows.countDocuments({ state: 'sending', lease_until: ever }),
    ]);
    return due + sending;
  }

  async find(webhookId: mongo.ObjectId, id: string): Promise<WebhookDelivery | null> {
    return this.rows.findOne({ _id: new mongo.ObjectId(id), webhook_id: webhookId });
  }

  /** Newest first. `before`: only those older than this id. */
  async list(
    webhookId: mongo.ObjectId,
    state: DeliveryState | undefined,
    limit: number,
    before?: string,
  ): Promise<WebhookDelivery[]> {
    const older = before ? { _id: { $lt: new mongo.ObjectId(before) } } : {};
    return this.rows
      .find({ webhook_id: webhookId, ...(state ? { state } : {}), ...older })
      .sort({ _id: -1 })
      .limit(limit)
      .toArray();
  }

  async attemptsOf(ids: mongo.ObjectId[]): Promise<WebhookAttempt[]> {
    return this.attempts
      .find({ delivery_id: { $in: ids } })
      .sort({ _id: 1 })
      .toArray();
  }

  async record(attempt: Omit<WebhookAttempt, '_id' | 'expires_at'>): Promise<void> {
    await this.attempts.insertOne({ _id: new mongo.ObjectId(), ...attempt, expires_at: this.expiry() });
  }

  /** With the webhook goes all that is known of its deliveries. */
  async removeAll(webhookId: mongo.ObjectId): Promise<void> {
    await this.rows.deleteMany({ webhook_id: webhookId });
    await this.attempts.deleteMany({ webhook_id: webhookId });
  }

  /** An erased session leaves nothing behind, not even its scores in a log of deliveries. */
  async erase(filter: mongo.Filter<WebhookDelivery>): Promise<void> {
    const rows = this.rows.find(filter, { projection: { _id: 1 }, batchSize: 200 });
    for await (const { _id } of rows) {
      await this.attempts.deleteMany({ delivery_id: _id });
      await this.rows.deleteOne({ _id });
    }
  }

  private expiry(): Date {
    return new Date(Date.now() + this.config.WEBHOOK_LOG_RETENTION_D * DAY_MS);
  }
}
