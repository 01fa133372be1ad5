import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { WebhookRepository } from './webhook.repository.js';
import type { Webhook } from './webhook.schema.js';

/** Whether a receiver is worth trying: what its answers say of the webhook as a whole. */
@Injectable()
export class WebhookHealth {
  constructor(
    private readonly webhooks: WebhookRepository,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  async succeeded(webhook: Webhook): Promise<void> {
    if (webhook.failing_since === null) return;
    webhook.failing_since = null;
    await this.webhooks.change(webhook._id, {}, { failing_since: null });
  }

  /** Notes since when it fails; disables one that has failed for too long. */
  async failed(webhook: Webhook): Promise<void> {
    if (webhook.failing_since === null) {
      webhook.failing_since = new Date();
      await this.webhooks.change(webhook._id, { failing_since: null }, { failing_since: webhook.failing_since });
    }
    const hours = (Date.now() - webhook.failing_since.getTime()) / 3_600_000;
    if (hours < this.config.WEBHOOK_DISABLE_AFTER_H) return;
    await this.disable(webhook, `No delivery has succeeded since ${webhook.failing_since.toISOString()}`);
  }

  /** The receiver said that it wants no more. */
  async gone(webhook: Webhook): Promise<void> {
    await this.disable(webhook, 'The receiver answered 410 Gone');
  }

  private async disable(webhook: Webhook, reason: string): Promise<void> {
    webhook.enabled = false;
    const now = new Date();
    const set = { enabled: false, disabled_reason: reason, disabled_at: now, updated_at: now };
    if (!(await this.webhooks.change(webhook._id, { enabled: true }, set))) return;
    this.log.pino.warn({ webhook_id: webhook._id.toHexString(), reason }, 'Webhook disabled');
  }
}
