import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';
import { DeliveryRepository } from './delivery.repository.js';
import type { HeldDelivery } from './delivery.repository.js';
import type { AttemptOutcome, WebhookDelivery } from './delivery.schema.js';
import { DeliverySubject } from './delivery.subject.js';
import { GONE, SignedPost } from './signed-post.js';
import type { PostResult } from './signed-post.js';
import { WebhookHealth } from './webhook.health.js';
import type { Webhook } from './webhook.schema.js';

/** One try of one delivery: claimed, sent, recorded. */
@Injectable()
export class DeliveryAttempt {
  constructor(
    private readonly deliveries: DeliveryRepository,
    private readonly subject: DeliverySubject,
    private readonly signed: SignedPost,
    private readonly health: WebhookHealth,
    private readonly config: Config,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /** @param signal the process stops: the delivery is given back, and the attempt not counted */
  async make(webhook: Webhook, seen: WebhookDelivery, signal: AbortSignal): Promise<void> {
    const held = await this.deliveries.claim(seen);
    if (!held) return;
    // Recorded as its session was erased, by a process that died before it looked.
    if (await this.subject.isErased(held)) return this.deliveries.erase({ _id: held._id });
    if (await this.subject.isReplaced(held)) return this.cancel(held);
    const at = new Date();
    const began = performance.now();
    const result = await this.signed.post(webhook, held, at, signal);
    const durationMs = Math.round(performance.now() - began);
    const outcome = signal.aborted && result.error ? 'returned' : this.outcomeOf(held, result);
    const dueAt = outcome === 'retry' ? this.nextTry(held, result.retryAfterS) : at;
    if (!(await this.end(held, outcome, result, dueAt))) return;
    await this.deliveries.record({
      delivery_id: held._id,
      webhook_id: held.webhook_id,
      number: held.attempts,
      at,
      duration_ms: durationMs,
      status_code: result.status,
      outcome,
      error: result.error,
    });
    if (outcome === 'returned') return;
    this.tell(held, outcome, result, durationMs);
    if (outcome === 'delivered') await this.health.succeeded(webhook);
    else if (result.status === GONE) await this.health.gone(webhook);
    else await this.health.failed(webhook);
  }

  /** What its sender went away from: due again, or failed if that was the last try. */
  async takeBack(held: HeldDelivery): Promise<boolean> {
    const error = { code: 'sender_lost', message: 'The process that sent it went away; it may have arrived' };
    const result = { status: null, error, mayPass: true, retryAfterS: null };
    const outcome = this.outcomeOf(held, result);
    if (!(await this.end(held, outcome, result, new Date()))) return false;
    await this.deliveries.record({
      delivery_id: held._id,
      webhook_id: held.webhook_id,
      number: held.attempts,
      at: held.lease_until ?? new Date(),
      duration_ms: null,
      status_code: null,
      outcome: 'lost',
      error,
    });
    this.tell(held, outcome, result, null);
    return true;
  }

  private async cancel(held: HeldDelivery): Promise<void> {
    const error = { code: 'superseded', message: 'A newer take replaced what it tells of' };
    await this.deliveries.end(held, 'cancelled', { error, attempts: held.attempts - 1, tries: held.tries - 1 });
    this.metrics.webhookDeliveries.labels(held.type, 'cancelled').inc();
  }

  private outcomeOf(held: HeldDelivery, { error, mayPass }: PostResult): AttemptOutcome {
    if (!error) return 'delivered';
    return mayPass && held.tries <= this.config.WEBHOOK_RETRY_S.length ? 'retry' : 'failed';
  }

  /** The wait that the schedule names, with up to a fifth of jitter, or as long as the receiver asked for. */
  private nextTry(held: HeldDelivery, retryAfterS: number | null): Date {
    const waitS = (this.config.WEBHOOK_RETRY_S[held.tries - 1] ?? 0) * (1 + Math.random() / 5);
    return new Date(Date.now() + Math.max(waitS, retryAfterS ?? 0) * 1000);
  }

  private end(held: HeldDelivery, outcome: AttemptOutcome, result: PostResult, dueAt: Date): Promise<boolean> {
    const { status: status_code, error } = result;
    if (outcome === 'returned') {
      const uncounted = { attempts: held.attempts - 1, tries: held.tries - 1 };
      return this.deliveries.end(held, 'due', { ...uncounted, due_at: dueAt });
    }
    if (outcome === 'retry') return this.deliveries.end(held, 'due', { status_code, error, due_at: dueAt });
    return this.deliveries.end(held, outcome === 'delivered' ? 'delivered' : 'failed', { status_code, error });
  }

  /** @param durationMs null when nobody knows */
  private tell(
    held: HeldDelivery,
    outcome: AttemptOutcome,
    { status, error }: PostResult,
    durationMs: number | null,
  ): void {
    const word = outcome === 'retry' ? 'retried' : outcome;
    this.metrics.webhookDeliveries.labels(held.type, word).inc();
    if (error) this.metrics.failures.labels('webhook', error.code).inc();
    if (durationMs !== null) this.metrics.webhookDuration.labels(word).observe(durationMs / 1000);
    const line = {
      webhook_id: held.webhook_id.toHexString(),
      delivery_id: held._id.toHexString(),
      event_id: held.event_id,
      event: held.type,
      attempt: held.attempts,
      status,
      code: error?.code,
      duration_ms: durationMs,
    };
    if (outcome === 'delivered') this.log.pino.info(line, 'Webhook delivered');
    else
      this.log.pino.warn(line, outcome === 'retry' ? 'Webhook not delivered, will be tried again' : 'Webhook failed');
  }
}
