import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { WebhookRepository } from './webhook.repository.js';
import type { Webhook } from './webhook.schema.js';

/**
 * Whether a receiver is worth trying: what its answers say of the webhook as a whole. Each takes the webhook as it was when the
 * request was sent.
 */
@Injectable()
export class WebhookHealth {
  constructor(
    private readonly webhooks: WebhookRepository,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  async succeeded({ _id, url }: Webhook): Promise<void> {
    // Whether or not it was failing when this one was sent: others may have failed meanwhile.
    await this.webhooks.change(_id, { url }, { failing_since: null });
  }

  /** Notes since when it fails; disables one that has failed for too long. */
  async failed(webhook: Webhook): Promise<void> {
    const { _id, url } = webhook;
    const failing_since = webhook.failing_since ?? new Date();
    if (webhook.failing_since === null)
      await this.webhooks.change(_id, { url, failing_since: null }, { failing_since });
    const hours = (Date.now() - failing_since.getTime()) / 3_600_000;
    if (hours < this.config.WEBHOOK_DISABLE_AFTER_H) return;
    const reason = `No delivery has succeeded since ${failing_since.toISOString()}`;
    await this.disable(_id, { url, failing_since }, reason);
  }

  /** The receiver said that it wants no more. */
  async gone({ _id, url }: Webhook): Promise<void> {
    await this.disable(_id, { url }, 'The receiver answered 410 Gone');
  }

  /** @param seen what the answer says something of: a webhook that has another address since, or that had a success, stays */
  private async disable(id: mongo.ObjectId, seen: Partial<Webhook>, reason: string): Promise<void> {
    const now = new Date();
    const set = { enabled: false, disabled_reason: reason, disabled_at: now, updated_at: now };
    if (!(await this.webhooks.change(id, { ...seen, enabled: true }, set))) return;
    this.log.pino.warn({ webhook_id: id.toHexString(), reason }, 'Webhook disabled');
  }
}
