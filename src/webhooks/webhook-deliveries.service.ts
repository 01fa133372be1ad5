import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConflictError, NotFoundError } from '../common/app-error.js';
import { correlationId } from '../common/correlation.js';
import { cursorId } from '../common/cursor.js';
import type { User } from '../auth/user.js';
import { DeliveryRepository } from './delivery.repository.js';
import { deliveryView } from './delivery.dto.js';
import type { DeliveryPage, DeliveryQuery, DeliveryView } from './delivery.dto.js';
import { WebhookAccess } from './webhook.access.js';
import type { Asking } from './webhook.access.js';
import { WebhookQueue } from './webhook.queue.processor.js';
import type { Webhook } from './webhook.schema.js';

/** The log of what was sent to a webhook, and sending by hand. */
@Injectable()
export class WebhookDeliveries {
  constructor(
    private readonly deliveries: DeliveryRepository,
    private readonly access: WebhookAccess,
    private readonly queue: WebhookQueue,
  ) {}

  /** Newest first. @throws NotFoundError */
  async list(user: User, id: string, { limit, cursor, state }: DeliveryQuery): Promise<DeliveryPage> {
    const webhook = await this.access.find(user, id);
    const found = await this.deliveries.list(webhook._id, state, limit + 1, cursorId(cursor));
    const page = found.slice(0, limit);
    const attempts = await this.deliveries.attemptsOf(page.map(({ _id }) => _id));
    return {
      items: page.map((delivery) => deliveryView(delivery, attempts)),
      next_cursor: found.length > limit ? (page.at(-1)?._id.toHexString() ?? null) : null,
    };
  }

  /** @throws NotFoundError */
  async get(user: User, id: string, deliveryId: string): Promise<DeliveryView> {
    return this.view(await this.access.find(user, id), deliveryId);
  }

  /** Sends the same event once more, with the same id. @throws NotFoundError; ConflictError while it is disabled, or under way */
  async redeliver(asking: Asking, id: string, deliveryId: string): Promise<DeliveryView> {
    return this.access.change(asking, 'webhook.redeliver', `webhook/${id}`, async () => {
      const webhook = await this.enabled(asking.user, id);
      const delivery = await this.deliveries.find(webhook._id, deliveryId);
      if (!delivery) throw new NotFoundError('Delivery');
      if (!(await this.deliveries.again(delivery)))
        throw new ConflictError('being_sent', 'It is being sent at this moment');
      this.queue.wake(id);
      return this.view(webhook, deliveryId);
    });
  }

  /** Sends a `webhook.test`. @throws NotFoundError; ConflictError while it is disabled */
  async test(asking: Asking, id: string): Promise<DeliveryView> {
    return this.access.change(asking, 'webhook.test', `webhook/${id}`, async () => {
      const webhook = await this.enabled(asking.user, id);
      const type = 'webhook.test';
      const data = { webhook_id: id, user_id: asking.user.id };
      const [delivery] = await this.deliveries.create([
        {
          webhook_id: webhook._id,
          event_id: `msg_${randomUUID()}`,
          type,
          body: JSON.stringify({ type, timestamp: new Date().toISOString(), data }),
          subject: asking.user.id,
          session_id: null,
          upload_id: null,
          correlation_id: correlationId() ?? null,
        },
      ]);
      if (!delivery) throw new NotFoundError('Delivery');
      this.queue.wake(id);
      return deliveryView(delivery, []);
    });
  }

  private async enabled(user: User, id: string): Promise<Webhook> {
    const webhook = await this.access.find(user, id);
    if (!webhook.enabled) throw new ConflictError('webhook_disabled', 'The webhook is disabled; enable it first');
    return webhook;
  }

  private async view(webhook: Webhook, deliveryId: string): Promise<DeliveryView> {
    const delivery = await this.deliveries.find(webhook._id, deliveryId);
    if (!delivery) throw new NotFoundError('Delivery');
    return deliveryView(delivery, await this.deliveries.attemptsOf([delivery._id]));
  }
}
