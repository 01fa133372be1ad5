import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.decorator.js';
import { Audit } from '../audit/audit.js';
import { AppError, NotFoundError } from '../common/app-error.js';
import type { User } from '../auth/user.js';
import { WebhookRepository } from './webhook.repository.js';
import { GLOBAL_OWNER, ownerOf } from './webhook.schema.js';
import type { Webhook, WebhookScope } from './webhook.schema.js';

/** Who asks, and from where. */
export interface Asking {
  user: User;
  actor: Actor;
}

/** Whose webhooks one may see and change; and what admins change is recorded. */
@Injectable()
export class WebhookAccess {
  constructor(
    private readonly webhooks: WebhookRepository,
    private readonly audit: Audit,
  ) {}

  ownersFor(user: User): string[] {
    return isAdmin(user) ? [ownerOf(user.id), GLOBAL_OWNER] : [ownerOf(user.id)];
  }

  /** @throws AppError `forbidden` when it is to be global, and the user no admin */
  ownerOfNew(user: User, scope: WebhookScope): string {
    if (scope === 'own') return ownerOf(user.id);
    if (!isAdmin(user)) throw new AppError('forbidden', 'role_missing', 'Not enough permissions');
    return GLOBAL_OWNER;
  }

  /** @throws NotFoundError when it is unknown, or not the caller's */
  async find(user: User, id: string): Promise<Webhook> {
    const webhook = await this.webhooks.findOwn(id, this.ownersFor(user));
    if (!webhook) throw new NotFoundError('Webhook');
    return webhook;
  }

  async change<T>(
    { user, actor }: Asking,
    action: string,
    target: string,
    work: () => Promise<T>,
    outcome: (result: T) => Record<string, unknown> = () => ({}),
  ): Promise<T> {
    return isAdmin(user) ? this.audit.act(actor, { action, target }, work, outcome) : work();
  }
}

const isAdmin = (user: User): boolean => user.roles.includes('admin');
