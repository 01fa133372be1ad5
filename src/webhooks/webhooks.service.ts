import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { ConflictError } from '../common/app-error.js';
import { cursorId } from '../common/cursor.js';
import { Config } from '../config/config.js';
import type { User } from '../auth/user.js';
import { DeliveryRepository } from './delivery.repository.js';
import { SecretBox } from './secret-box.js';
import { newSecret } from './signature.js';
import { Subscriptions } from './subscriptions.js';
import { WebhookAccess } from './webhook.access.js';
import type { Asking } from './webhook.access.js';
import { webhookView } from './webhook.dto.js';
import type { ChangeWebhook, CreateWebhook, WebhookPage, WebhookView, WebhookWithSecret } from './webhook.dto.js';
import { WebhookRepository } from './webhook.repository.js';
import { WebhookRules } from './webhook.rules.js';
import { previousSecrets } from './webhook.schema.js';
import type { Webhook } from './webhook.schema.js';

/** How long the secret before signs too. */
const ROTATION_MS = 24 * 3_600_000;
/** Of the secrets before that one, so many newest sign as well: who lost the answer to a rotation, and repeats it, has one of them. */
const MOST_EARLIER = 4;

/** Where users want to be told. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly webhooks: WebhookRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly access: WebhookAccess,
    private readonly rules: WebhookRules,
    private readonly secrets: SecretBox,
    private readonly subscriptions: Subscriptions,
    private readonly config: Config,
  ) {}

  /** @throws ValidationError; ConflictError when there are as many as there can be; AppError `forbidden` */
  async create(asking: Asking, input: CreateWebhook): Promise<WebhookWithSecret> {
    const { description, events } = input;
    const scope = input.scope ?? 'own';
    const enabled = input.enabled ?? true;
    const owner = this.access.ownerOfNew(asking.user, scope);
    this.rules.events(events, scope);
    const _id = new mongo.ObjectId();
    const secret = newSecret();
    const now = new Date();
    const webhook: Omit<Webhook, 'slot' | 'url'> = {
      ...{ _id, owner, scope, events, enabled },
      user_id: asking.user.id,
      description: description || null,
      disabled_reason: null,
      disabled_at: null,
      secret: this.secrets.close(secret, _id.toHexString()),
      previous_secret: null,
      previous_until: null,
      failing_since: null,
      created_at: now,
      updated_at: now,
    };
    const most = this.config.WEBHOOKS_PER_USER;
    const work = async () => {
      // Who can have no more has no name looked up either.
      await this.webhooks.refuseMoreThan(owner, most);
      const url = await this.rules.url(input.url);
      await this.webhooks.insert({ ...webhook, url }, most);
      return url;
    };
    const told = (url: string) => ({ scope, host: new URL(url).host, events });
    const url = await this.access.change(asking, 'webhook.create', `webhook/${_id.toHexString()}`, work, told);
    this.subscriptions.forget();
    return { ...webhookView({ ...webhook, url, slot: 0 }), secret };
  }

  /** Newest first; for admins the global ones too. */
  async list(user: User, limit: number, cursor?: string): Promise<WebhookPage> {
    const found = await this.webhooks.list(this.access.ownersFor(user), limit + 1, cursorId(cursor));
    const page = found.slice(0, limit);
    return {
      items: page.map(webhookView),
      next_cursor: found.length > limit ? (page.at(-1)?._id.toHexString() ?? null) : null,
    };
  }

  /** @throws NotFoundError */
  async get(user: User, id: string): Promise<WebhookView> {
    return webhookView(await this.access.find(user, id));
  }

  /** @throws NotFoundError, ValidationError; ConflictError when it was changed in the same moment */
  async change(asking: Asking, id: string, input: ChangeWebhook): Promise<WebhookWithSecret> {
    const changes = Object.keys(input).filter((name) => input[name as keyof ChangeWebhook] !== undefined);
    const work = async () => {
      const seen = await this.access.find(asking.user, id);
      const set: Partial<Webhook> = { updated_at: new Date() };
      if (input.events) {
        this.rules.events(input.events, seen.scope);
        set.events = input.events;
      }
      if (input.url !== undefined) set.url = await this.rules.url(input.url);
      // What another address did says nothing of this one.
      if (set.url !== undefined && set.url !== seen.url) set.failing_since = null;
      if (input.description !== undefined) set.description = input.description || null;
      // Switched on again, it starts with a clean slate; switched off, by a person, there is no reason to give.
      if (typeof input.enabled === 'boolean' && input.enabled !== seen.enabled)
        Object.assign(set, { enabled: input.enabled, disabled_reason: null, failing_since: null });
      if (typeof input.enabled === 'boolean' && input.enabled !== seen.enabled)
        set.disabled_at = input.enabled ? null : new Date();
      const secret = input.rotate_secret ? this.rotate(seen, set) : null;
      if (!(await this.webhooks.change(seen._id, { updated_at: seen.updated_at, secret: seen.secret }, set)))
        throw new ConflictError('changed_meanwhile', 'It was changed in the meantime; look at it again');
      if (set.enabled === false) {
        const why = 'The webhook was disabled';
        await this.deliveries.cancel({ webhook_id: seen._id }, 'webhook_disabled', why);
      }
      return { ...webhookView({ ...seen, ...set }), secret };
    };
    const changed = await this.access.change(asking, 'webhook.change', `webhook/${id}`, work, () => ({ changes }));
    this.subscriptions.forget();
    return changed;
  }

  /** @throws NotFoundError */
  async remove(asking: Asking, id: string): Promise<void> {
    await this.access.change(asking, 'webhook.delete', `webhook/${id}`, async () => {
      const { _id } = await this.access.find(asking.user, id);
      await this.webhooks.remove(_id);
      await this.deliveries.removeAll(_id);
    });
    this.subscriptions.forget();
  }

  private rotate(seen: Webhook, set: Partial<Webhook>): string {
    const secret = newSecret();
    set.secret = this.secrets.close(secret, seen._id.toHexString());
    const now = new Date();
    set.earlier_secrets = previousSecrets(seen, now).slice(0, MOST_EARLIER);
    set.previous_secret = seen.secret;
    set.previous_until = new Date(now.getTime() + ROTATION_MS);
    return secret;
  }
}
