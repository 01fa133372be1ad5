import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { Log } from '../common/logging.js';
import { MARKED } from '../common/marked.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import { Outbox } from '../events/outbox.js';
import type { Teller } from '../events/outbox.js';
import { OWING } from '../events/owed.js';
import type { EventType, OwedEvent, OwesEvents, OwingCollection } from '../events/owed.js';
import { DeliveryRepository } from './delivery.repository.js';
import { messageOf } from './message.js';
import { Subscriptions } from './subscriptions.js';
import { WebhookQueue } from './webhook.queue.processor.js';
import { WebhookRepository } from './webhook.repository.js';
import { WebhookSender } from './webhook.sender.js';

const MOST = 1000;

type Owing = OwesEvents & { _id: mongo.ObjectId; projection_due?: string; erasing_since?: Date };

/** Makes deliveries of the events that documents owe, and takes the marks away once they are recorded. */
@Injectable()
export class WebhookTeller implements Teller, OnModuleInit {
  constructor(
    @InjectConnection() private readonly connection: Connection,
    private readonly outbox: Outbox,
    private readonly subscriptions: Subscriptions,
    private readonly webhooks: WebhookRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly queue: WebhookQueue,
    private readonly sender: WebhookSender,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.outbox.register(this);
  }

  mayWant(type: EventType, userId: string | null): boolean {
    return this.subscriptions.mayWant(type, userId);
  }

  async wants(type: EventType, userId: string | null): Promise<boolean> {
    return (await this.webhooks.wanting(type, userId)).length > 0;
  }

  async tell(collection: OwingCollection, id: unknown): Promise<void> {
    const documents = nativeCollection<Owing>(this.connection, collection);
    const owing = { ...OWING[collection], _id: id, events_due: MARKED } as mongo.Filter<Owing>;
    const document = await documents.findOne(owing, { projection: { events_due: 1, owed: 1 } });
    if (document) await this.settle(documents, document);
  }

  /** What a crash cut short. Marks that stand for nothing any more, since nobody wants to hear of them, go too. */
  async tellOverdue(dryRun: boolean): Promise<number> {
    let count = 0;
    for (const collection of Object.keys(OWING) as OwingCollection[]) {
      const documents = nativeCollection<Owing>(this.connection, collection);
      const owing = {
        ...OWING[collection],
        events_due: MARKED,
        updated_at: { $lt: this.graceAgo() },
      } as mongo.Filter<Owing>;
      const projection = { events_due: 1, owed: 1, projection_due: 1 };
      for await (const document of documents.find(owing, { limit: MOST, batchSize: 100, projection })) {
        // Its target does not show yet what is told: the sweep sees to that first.
        if (document.projection_due !== undefined && document.projection_due === document.events_due) continue;
        if (!dryRun) await this.settle(documents, document);
        count += 1;
      }
    }
    return count;
  }

  async sendHere(): Promise<void> {
    for (const id of await this.deliveries.overdue(new Date(), MOST)) this.sender.wake(id.toHexString());
  }

  /** Deliveries that are due, and whose job is gone: Redis was away or emptied. */
  async sendOverdue(dryRun: boolean): Promise<number> {
    const ids = await this.deliveries.overdue(this.graceAgo(), MOST);
    for (const id of dryRun ? [] : ids) {
      if (this.queue.isReady) this.queue.wake(id.toHexString());
      else this.sender.wake(id.toHexString());
    }
    return ids.length;
  }

  private async settle(documents: mongo.Collection<Owing>, document: Owing): Promise<void> {
    try {
      const woken = new Set<string>();
      for (const [id, event] of Object.entries(document.owed ?? {}))
        for (const webhookId of await this.record(id, event)) woken.add(webhookId);
      const there = { _id: document._id, erasing_since: { $exists: false } };
      // Only while none has come in between: that one keeps them all, and recording them again changes nothing.
      const asSeen = { ...there, events_due: document.events_due } as mongo.Filter<Owing>;
      const { matchedCount } = await documents.updateOne(asSeen, { $unset: { events_due: 1, owed: 1 } });
      if (matchedCount === 0 && !(await documents.findOne(there, { projection: { _id: 1 } })))
        return await this.forget(woken, document);
      for (const webhookId of woken) this.queue.wake(webhookId);
    } catch (error) {
      this.log.pino.warn({ err: error, collection: documents.collectionName }, 'Events not told yet, the sweep will');
      throw error;
    }
  }

  private async record(id: string, event: OwedEvent): Promise<string[]> {
    const wanting = await this.webhooks.wanting(event.type, event.user_id);
    const { user_id: subject, session_id, upload_id, correlation_id } = event;
    const body = messageOf(event, this.config.PUBLIC_URL);
    const told = { event_id: eventId(id), type: event.type, body, subject, session_id, upload_id, correlation_id };
    await this.deliveries.create(wanting.map(({ _id }) => ({ webhook_id: _id, ...told })));
    return wanting.map(({ _id }) => _id.toHexString());
  }

  /** What was recorded of a document that was erased meanwhile, after the eraser had looked for it. */
  private async forget(webhookIds: Set<string>, { owed = {} }: Owing): Promise<void> {
    await this.deliveries.erase({
      webhook_id: { $in: [...webhookIds].map((id) => new mongo.ObjectId(id)) },
      event_id: { $in: Object.keys(owed).map(eventId) },
    });
  }

  private graceAgo(): Date {
    return new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000);
  }
}

const eventId = (id: string): string => `msg_${id}`;
