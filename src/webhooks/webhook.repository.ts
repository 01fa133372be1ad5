import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { ConflictError } from '../common/app-error.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import type { EventType } from '../events/owed.js';
import { GLOBAL_OWNER, ownerOf } from './webhook.schema.js';
import type { Webhook } from './webhook.schema.js';

/** Where events go. Asked for by owner: another user's is not there. */
@Injectable()
export class WebhookRepository {
  private readonly webhooks: mongo.Collection<Webhook>;

  constructor(@InjectConnection() connection: Connection) {
    this.webhooks = nativeCollection<Webhook>(connection, 'webhooks');
  }

  /** @throws ConflictError when its owner has `most` already */
  async insert(webhook: Omit<Webhook, 'slot'>, most: number): Promise<void> {
    const { owner } = webhook;
    const taken = await this.webhooks.find({ owner }, { projection: { slot: 1 } }).toArray();
    const used = new Set(taken.map(({ slot }) => slot));
    for (let slot = 0; slot < most; slot++) {
      if (used.has(slot)) continue;
      try {
        await this.webhooks.insertOne({ ...webhook, slot });
        return;
      } catch (error) {
        // Another one was made in the same moment.
        if (!isDuplicateKey(error)) throw error;
      }
    }
    throw tooMany(most);
  }

  /** @throws ConflictError when the owner has as many as there can be; `insert` makes sure of it */
  async refuseMoreThan(owner: string, most: number): Promise<void> {
    if ((await this.webhooks.countDocuments({ owner })) >= most) throw tooMany(most);
  }

  async find(id: mongo.ObjectId | string): Promise<Webhook | null> {
    return this.webhooks.findOne({ _id: new mongo.ObjectId(id) });
  }

  /** @param owners whose webhooks the caller may see */
  async findOwn(id: string, owners: string[]): Promise<Webhook | null> {
    return this.webhooks.findOne({ _id: new mongo.ObjectId(id), owner: { $in: owners } });
  }

  /** Newest first. `before`: only those older than this id. */
  async list(owners: string[], limit: number, before?: string): Promise<Webhook[]> {
    return this.webhooks
      .find({ owner: { $in: owners }, ...(before ? { _id: { $lt: new mongo.ObjectId(before) } } : {}) })
      .sort({ _id: -1 })
      .limit(limit)
      .toArray();
  }

  /** Who is to be told of an event. */
  async wanting(type: EventType, userId: string | null): Promise<Pick<Webhook, '_id'>[]> {
    const owners = userId === null ? [GLOBAL_OWNER] : [GLOBAL_OWNER, ownerOf(userId)];
    return this.webhooks
      .find({ owner: { $in: owners }, enabled: true, events: type }, { projection: { _id: 1 } })
      .toArray();
  }

  /** What is wanted at all, by at most so many webhooks. */
  async subscriptions(limit: number): Promise<Pick<Webhook, 'owner' | 'events'>[]> {
    return this.webhooks
      .find({ enabled: true }, { projection: { owner: 1, events: 1 } })
      .limit(limit)
      .toArray();
  }

  /** @param expected fields that it still must have. False when it is gone, or was changed meanwhile */
  async change(id: mongo.ObjectId, expected: Partial<Webhook>, set: Partial<Webhook>): Promise<boolean> {
    const filter = { ...expected, _id: id } as mongo.Filter<Webhook>;
    return (await this.webhooks.updateOne(filter, { $set: set })).matchedCount === 1;
  }

  async remove(id: mongo.ObjectId): Promise<void> {
    await this.webhooks.deleteOne({ _id: id });
  }
}

const tooMany = (most: number): ConflictError =>
  new ConflictError('too_many_webhooks', `There are ${most} webhooks already, which is the most there can be`);
