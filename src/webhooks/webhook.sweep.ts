import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { Sweeper } from '../sweep/sweeper.js';
import { UploadEraser } from '../uploads/upload.eraser.js';
import { DeliveryAttempt } from './delivery-attempt.js';
import { DeliveryRepository } from './delivery.repository.js';
import { WebhookTeller } from './webhook.teller.js';

const MOST = 1000;

/** The webhooks' part in what happens to everything: the sweep, erasure, metrics. */
@Injectable()
export class WebhookSweep implements OnModuleInit {
  constructor(
    private readonly sweeper: Sweeper,
    private readonly eraser: UploadEraser,
    private readonly deliveries: DeliveryRepository,
    private readonly attempt: DeliveryAttempt,
    private readonly teller: WebhookTeller,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.sweeper.also('owed_events', (dryRun) => this.teller.tellOverdue(dryRun));
    this.sweeper.also('lost_deliveries', (dryRun) => this.takeBack(dryRun));
    this.sweeper.also('overdue_webhooks', (dryRun) => this.teller.sendOverdue(dryRun));
    this.eraser.also((subject, session_id) => this.deliveries.erase({ subject, session_id }));
    const { webhookPending } = this.metrics;
    this.metrics.onScrape(async () => webhookPending.set(await this.deliveries.pending()), webhookPending);
  }

  private async takeBack(dryRun: boolean): Promise<number> {
    let count = 0;
    for (const held of await this.deliveries.lost(MOST)) if (dryRun || (await this.attempt.takeBack(held))) count += 1;
    return count;
  }
}
