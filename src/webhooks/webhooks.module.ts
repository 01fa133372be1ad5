import { Module } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { AuditModule } from '../audit/audit.module.js';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { QueueModule } from '../queue/queue.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SweepModule } from '../sweep/sweep.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { DeliveryAttempt } from './delivery-attempt.js';
import { DeliveryRepository } from './delivery.repository.js';
import { WebhookAttempt, WebhookAttemptSchema, WebhookDelivery, WebhookDeliverySchema } from './delivery.schema.js';
import { DeliverySubject } from './delivery.subject.js';
import { ReceiverClient } from './receiver.client.js';
import { SecretBox } from './secret-box.js';
import { SignedPost } from './signed-post.js';
import { Subscriptions } from './subscriptions.js';
import { WebhookAccess } from './webhook.access.js';
import { WebhookDeliveries } from './webhook-deliveries.service.js';
import { WebhookHealth } from './webhook.health.js';
import { WebhookQueue } from './webhook.queue.processor.js';
import { WebhookRepository } from './webhook.repository.js';
import { WebhookRules } from './webhook.rules.js';
import { Webhook, WebhookSchema } from './webhook.schema.js';
import { WebhookSender } from './webhook.sender.js';
import { WebhookSweep } from './webhook.sweep.js';
import { WebhookTeller } from './webhook.teller.js';
import { WebhooksService } from './webhooks.service.js';

@Module({
  imports: [
    UploadsModule,
    QueueModule,
    SessionsModule,
    SweepModule,
    AuditModule,
    IdempotencyModule,
    MongooseModule.forFeature([
      { name: Webhook.name, schema: WebhookSchema },
      { name: WebhookDelivery.name, schema: WebhookDeliverySchema },
      { name: WebhookAttempt.name, schema: WebhookAttemptSchema },
    ]),
  ],
  providers: [
    DeliveryAttempt,
    DeliveryRepository,
    DeliverySubject,
    ReceiverClient,
    SecretBox,
    SignedPost,
    Subscriptions,
    WebhookAccess,
    WebhookDeliveries,
    WebhookHealth,
    WebhookQueue,
    WebhookRepository,
    WebhookRules,
    WebhookSender,
    WebhookSweep,
    WebhookTeller,
    WebhooksService,
  ],
  exports: [WebhookDeliveries, WebhookQueue, WebhookSender, WebhooksService],
})
export class WebhooksModule {}
