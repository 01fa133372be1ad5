import { InjectQueue } from '@nestjs/bull';
import { Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import type { Job, Queue } from 'bull';
import { Log } from '../common/logging.js';
import { pauseQueue } from '../queue/queue-stop.js';
import { WEBHOOK_QUEUE } from '../queue/queues.js';

interface WakeJob {
  webhook_id: string;
}

/** Wakes of the same webhook within this time are one job. */
const BUCKET_MS = 100;
/** A job only wakes its webhook's lane, and ends. */
const AT_ONCE = 8;

/** Says to the workers which webhook has something due. It promises nothing: what Redis lost, the sweep finds. */
@Injectable()
export class WebhookQueue implements OnModuleDestroy {
  private isTaking = false;

  constructor(
    @InjectQueue(WEBHOOK_QUEUE) private readonly queue: Queue<WakeJob>,
    private readonly log: Log,
  ) {}

  /** Whether Redis is there to pass it on. */
  get isReady(): boolean {
    return this.queue.client.status === 'ready';
  }

  /** @param at when there is something due */
  wake(webhookId: string, at = new Date()): void {
    if (!this.isReady) return;
    // It runs when its bucket is over: whatever was due within it is there by then, so that none of them is missed.
    const now = Date.now();
    const bucket = Math.floor(Math.max(at.getTime(), now) / BUCKET_MS) + 1;
    this.queue
      .add(
        { webhook_id: webhookId },
        {
          jobId: `${webhookId}-${bucket}`,
          delay: Math.max(0, bucket * BUCKET_MS - now),
          removeOnComplete: true,
          removeOnFail: true,
        },
      )
      .catch((error: unknown) => {
        this.log.pino.warn({ err: error, webhook_id: webhookId }, 'Webhook not woken, the sweep will do it');
      });
  }

  /** Starts taking jobs in this process. */
  start(take: (webhookId: string) => void): void {
    this.isTaking = true;
    this.queue.on('error', (error) => this.log.pino.warn({ err: error, queue: WEBHOOK_QUEUE }, 'Queue error'));
    const run = (job: Job<WakeJob>) => Promise.resolve(take(job.data.webhook_id));
    this.queue.process(AT_ONCE, run).catch(() => undefined);
  }

  /** Without waiting for it: a wake that still comes in is one that the sweep will give again. */
  onModuleDestroy(): void {
    if (this.isTaking) void pauseQueue(this.queue);
  }
}
