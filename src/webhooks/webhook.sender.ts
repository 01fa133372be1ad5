import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { mongo } from 'mongoose';
import { correlationIdFrom, runWithCorrelation } from '../common/correlation.js';
import { Gate } from '../common/gate.js';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { DeliveryRepository } from './delivery.repository.js';
import type { WebhookDelivery } from './delivery.schema.js';
import { DeliveryAttempt } from './delivery-attempt.js';
import { WebhookQueue } from './webhook.queue.processor.js';
import { WebhookRepository } from './webhook.repository.js';

/** Requests at once to one webhook in this process; to one that fails, one after the other. */
const AT_ONCE = 4;
const BATCH = 50;
/** Of the places in this process, what one owner's webhooks may have: receivers that hang leave the rest to others. */
const SHARE = 1 / 4;
/** Owners whose places are counted; one who has not sent for so long that others came in between is counted anew. */
const MOST_OWNERS = 10_000;

interface Lane {
  /** Something more became due meanwhile. */
  again: boolean;
  /** MongoDB did not take what came of one: the sweep goes on from here. */
  broken: boolean;
  /** Ends the wait for a request that is under way. */
  bell: () => void;
  done: Promise<void>;
}

/** Sends what is due: each webhook has a lane of its own, so that a receiver that is slow or dead holds up no other. */
@Injectable()
export class WebhookSender implements OnModuleDestroy, BeforeApplicationShutdown {
  private readonly lanes = new Map<string, Lane>();
  private readonly gate: Gate;
  private readonly owners = new LRUCache<string, Gate>({ max: MOST_OWNERS });
  private readonly stopping = new AbortController();

  constructor(
    private readonly webhooks: WebhookRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly attempt: DeliveryAttempt,
    private readonly queue: WebhookQueue,
    private readonly log: Log,
    private readonly config: Config,
  ) {
    this.gate = new Gate(config.WEBHOOK_CONCURRENCY);
  }

  /** Has this process send what is due to a webhook. Returns at once. */
  wake(webhookId: string): void {
    if (this.stopping.signal.aborted) return;
    const lane = this.lanes.get(webhookId);
    if (lane) {
      lane.again = true;
      lane.bell();
      return;
    }
    const fresh: Lane = { again: false, broken: false, bell: () => undefined, done: Promise.resolve() };
    this.lanes.set(webhookId, fresh);
    fresh.done = this.run(webhookId, fresh)
      .catch((error: unknown) => {
        this.log.pino.warn({ err: error, webhook_id: webhookId }, 'Webhook not served, the sweep will try again');
      })
      .finally(() => this.lanes.delete(webhookId));
  }

  private async run(webhookId: string, lane: Lane): Promise<void> {
    const id = new mongo.ObjectId(webhookId);
    const running = new Map<string, Promise<void>>();
    try {
      await this.serve(id, lane, running);
    } finally {
      await Promise.all(running.values());
    }
    const next = await this.deliveries.nextDueAt(id);
    if (next) this.queue.wake(webhookId, next);
  }

  /** A request that hangs takes one of the places, and the others go on. */
  private async serve(id: mongo.ObjectId, lane: Lane, running: Map<string, Promise<void>>): Promise<void> {
    let waiting: WebhookDelivery[] = [];
    while (!this.stopping.signal.aborted && !lane.broken) {
      const rung = new Promise<void>((resolve) => (lane.bell = resolve));
      const webhook = await this.webhooks.find(id);
      if (!webhook) return this.deliveries.removeAll(id);
      if (!webhook.enabled) return void (await this.cancelAll(id));
      if (waiting.length === 0 || lane.again) {
        lane.again = false;
        waiting = (await this.deliveries.due(id, BATCH)).filter(({ _id }) => !running.has(_id.toHexString()));
        if (waiting.length + running.size === 0) return;
      }
      const places = (webhook.failing_since ? 1 : AT_ONCE) - running.size;
      for (const delivery of waiting.splice(0, Math.max(0, places))) this.send(webhook.owner, delivery, lane, running);
      if (running.size > 0) await Promise.race([rung, ...running.values()]);
    }
  }

  private send(owner: string, delivery: WebhookDelivery, lane: Lane, running: Map<string, Promise<void>>): void {
    const name = delivery._id.toHexString();
    const correlation = correlationIdFrom(delivery.correlation_id);
    const sent = this.gateOf(owner)
      .run(() => this.gate.run(() => runWithCorrelation(correlation, () => this.make(delivery))))
      .catch((error: unknown) => {
        lane.broken = true;
        this.log.pino.warn({ err: error, delivery_id: name }, 'Webhook delivery cut short, the sweep will go on');
      })
      .finally(() => running.delete(name));
    running.set(name, sent);
  }

  private gateOf(owner: string): Gate {
    const gate = this.owners.get(owner) ?? new Gate(Math.max(1, Math.floor(this.config.WEBHOOK_CONCURRENCY * SHARE)));
    this.owners.set(owner, gate);
    return gate;
  }

  /** To where the webhook leads now: it may have been changed while this one waited for a place. */
  private async make(delivery: WebhookDelivery): Promise<void> {
    const webhook = await this.webhooks.find(delivery.webhook_id);
    if (webhook?.enabled) await this.attempt.make(webhook, delivery, this.stopping.signal);
  }

  private cancelAll(webhookId: mongo.ObjectId): Promise<number> {
    return this.deliveries.cancel({ webhook_id: webhookId }, 'webhook_disabled', 'The webhook was disabled');
  }

  /** Requests under way are ended, and given back. At once: the stages wait for nobody when they stop. */
  onModuleDestroy(): void {
    this.stopping.abort(new Error('The process stops'));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([...this.lanes.values()].map(({ done }) => done));
  }
}
