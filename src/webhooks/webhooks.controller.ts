import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type Actor, CurrentActor } from '../audit/actor.decorator.js';
import { CurrentUser } from '../auth/auth.decorators.js';
import type { User } from '../auth/user.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { ListQuery } from '../common/list-query.dto.js';
import { PathObjectId } from '../common/path-id.js';
import { Idempotent, IsRepetition } from '../idempotency/idempotent.decorator.js';
import { DeliveryPage, DeliveryQuery, DeliveryView } from './delivery.dto.js';
import { ChangeWebhook, CreateWebhook, WebhookPage, WebhookView, WebhookWithSecret } from './webhook.dto.js';
import { WebhookDeliveries } from './webhook-deliveries.service.js';
import { WebhooksService } from './webhooks.service.js';

@ApiTags('webhooks')
@Controller('api/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly deliveries: WebhookDeliveries,
  ) {}

  // Not idempotent by key: the answer would have to be kept, and with it the secret.
  @Post()
  @ApiOperation({ summary: 'Be told of events by signed requests to a URL of yours' })
  @ApiResponse({ status: 201, type: WebhookWithSecret })
  @ApiErrors(401, 403, 409)
  async createWebhook(
    @CurrentUser() user: User,
    @CurrentActor() actor: Actor,
    @Body() input: CreateWebhook,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.create({ user, actor }, input);
  }

  @Get()
  @ApiOperation({ summary: 'Your webhooks, newest first; for admins the global ones too' })
  @ApiResponse({ status: 200, type: WebhookPage })
  @ApiErrors(401)
  async listWebhooks(@CurrentUser() user: User, @Query() query: ListQuery): Promise<WebhookPage> {
    return this.webhooks.list(user, query.limit, query.cursor);
  }

  @Get(':webhook_id')
  @ApiOperation({ summary: 'A webhook, without its secret' })
  @ApiResponse({ status: 200, type: WebhookView })
  @ApiErrors(401, 404)
  async getWebhook(@CurrentUser() user: User, @PathObjectId('webhook_id') id: string): Promise<WebhookView> {
    return this.webhooks.get(user, id);
  }

  @Patch(':webhook_id')
  @ApiOperation({ summary: 'Change, enable or disable a webhook, or rotate its secret' })
  @ApiResponse({ status: 200, type: WebhookWithSecret })
  @ApiErrors(401, 404, 409)
  async changeWebhook(
    @CurrentUser() user: User,
    @CurrentActor() actor: Actor,
    @PathObjectId('webhook_id') id: string,
    @Body() input: ChangeWebhook,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.change({ user, actor }, id, input);
  }

  @Delete(':webhook_id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a webhook and the log of its deliveries' })
  @ApiResponse({ status: 204, description: 'It is gone.' })
  @ApiErrors(401, 404)
  async deleteWebhook(
    @CurrentUser() user: User,
    @CurrentActor() actor: Actor,
    @PathObjectId('webhook_id') id: string,
  ): Promise<void> {
    await this.webhooks.remove({ user, actor }, id);
  }

  @Get(':webhook_id/deliveries')
  @ApiOperation({ summary: 'What was sent to a webhook, with every attempt, newest first' })
  @ApiResponse({ status: 200, type: DeliveryPage })
  @ApiErrors(401, 404)
  async listDeliveries(
    @CurrentUser() user: User,
    @PathObjectId('webhook_id') id: string,
    @Query() query: DeliveryQuery,
  ): Promise<DeliveryPage> {
    return this.deliveries.list(user, id, query);
  }

  @Post(':webhook_id/deliveries/:delivery_id/redeliver')
  @HttpCode(200)
  @Idempotent({ anew: true })
  @ApiOperation({ summary: 'Send an event once more, under the same id' })
  @ApiResponse({ status: 200, type: DeliveryView })
  @ApiErrors(401, 404, 409)
  async redeliver(
    @CurrentUser() user: User,
    @CurrentActor() actor: Actor,
    @PathObjectId('webhook_id') id: string,
    @PathObjectId('delivery_id') deliveryId: string,
    @IsRepetition() isRepetition: boolean,
  ): Promise<DeliveryView> {
    if (isRepetition) return this.deliveries.get(user, id, deliveryId);
    return this.deliveries.redeliver({ user, actor }, id, deliveryId);
  }

  @Post(':webhook_id/test')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Send a `webhook.test` event' })
  @ApiResponse({ status: 200, type: DeliveryView })
  @ApiErrors(401, 404, 409)
  async testWebhook(
    @CurrentUser() user: User,
    @CurrentActor() actor: Actor,
    @PathObjectId('webhook_id') id: string,
  ): Promise<DeliveryView> {
    return this.deliveries.test({ user, actor }, id);
  }
}
