import { Injectable } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import type { DeliveryError, WebhookDelivery } from './delivery.schema.js';
import { ReceiverClient } from './receiver.client.js';
import { SecretBox } from './secret-box.js';
import { signedHeaders } from './signature.js';
import { previousSecrets } from './webhook.schema.js';
import type { Webhook } from './webhook.schema.js';

/** The answer of a receiver that wants no more. */
export const GONE = 410;

export interface PostResult {
  /** Null when there was no answer. */
  status: number | null;
  /** Null when it was taken. */
  error: DeliveryError | null;
  /** Whether another try may go better. */
  mayPass: boolean;
  retryAfterS: number | null;
}

/** Sends a delivery, signed at this moment with each secret that is good. */
@Injectable()
export class SignedPost {
  constructor(
    private readonly client: ReceiverClient,
    private readonly secrets: SecretBox,
    private readonly log: Log,
  ) {}

  /** Never throws: what went wrong is the result. */
  async post(
    webhook: Webhook,
    held: Pick<WebhookDelivery, 'event_id' | 'body'>,
    at: Date,
    signal: AbortSignal,
  ): Promise<PostResult> {
    try {
      const headers = signedHeaders(held.event_id, at, held.body, this.secretsOf(webhook, at));
      const { status, retryAfterS } = await this.client.post(webhook.url, headers, held.body, signal);
      if (status >= 200 && status < 300) return { status, error: null, mayPass: false, retryAfterS: null };
      const isRedirect = status >= 300 && status < 400;
      const message = `The receiver answered ${status}${isRedirect ? '; redirects are not followed' : ''}`;
      return { status, error: { code: 'bad_status', message }, mayPass: status !== GONE, retryAfterS };
    } catch (cause) {
      const error = cause instanceof AppError ? cause : null;
      const { code, message } = error ?? { code: 'unexpected', message: 'It could not be sent' };
      if (!error) this.log.pino.error({ err: cause }, 'Webhook delivery broke');
      return { status: null, error: { code, message }, mayPass: error?.retryable ?? true, retryAfterS: null };
    }
  }

  private secretsOf(webhook: Webhook, at: Date): string[] {
    const owner = webhook._id.toHexString();
    const previous = previousSecrets(webhook, at).flatMap(({ secret }) => this.opened(secret, owner));
    return [this.secrets.open(webhook.secret, owner), ...previous];
  }

  /** None where the key has changed: what was rotated because of that must not keep the new secret from signing. */
  private opened(kept: string, owner: string): string[] {
    try {
      return [this.secrets.open(kept, owner)];
    } catch {
      return [];
    }
  }
}
