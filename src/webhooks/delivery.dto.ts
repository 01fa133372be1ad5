import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { ListQuery } from '../common/list-query.dto.js';
import { DELIVERY_STATES } from './delivery.schema.js';
import type {
  AttemptOutcome,
  DeliveryError,
  DeliveryState,
  WebhookAttempt,
  WebhookDelivery,
} from './delivery.schema.js';

export class DeliveryQuery extends ListQuery {
  @ApiPropertyOptional({ enum: DELIVERY_STATES, example: 'failed' })
  @IsOptional()
  @IsIn(DELIVERY_STATES)
  state?: DeliveryState;
}

export class DeliveryErrorView {
  @ApiProperty({ description: 'Stable.', example: 'bad_status' }) code!: string;
  @ApiProperty({ example: 'The receiver answered 503' }) message!: string;
}

export class WebhookAttemptView {
  @ApiProperty({ example: 1 }) number!: number;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) at!: Date;
  @ApiProperty({ type: Number, nullable: true, example: 84 }) duration_ms!: number | null;
  @ApiProperty({ type: Number, nullable: true, description: 'Null: there was no answer.', example: 503 })
  status_code!: number | null;
  @ApiProperty({ enum: ['delivered', 'retry', 'failed', 'lost', 'returned'], example: 'retry' })
  outcome!: AttemptOutcome;
  @ApiProperty({ type: DeliveryErrorView, nullable: true }) error!: DeliveryError | null;
}

export class DeliveryView {
  @ApiProperty({ example: '65abc123def4567890abcdf0' }) id!: string;
  @ApiProperty({
    description: 'The `webhook-id` header: the same at each attempt, for receivers to tell repetitions by.',
    example: 'msg_7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10',
  })
  event_id!: string;
  @ApiProperty({ description: 'An event, or `webhook.test`.', example: 'answer.scored' }) type!: string;
  @ApiProperty({
    enum: DELIVERY_STATES,
    description: '`cancelled`: a newer take replaced what it tells of, or the webhook was disabled.',
    example: 'delivered',
  })
  state!: DeliveryState;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null }) next_attempt_at!: Date | null;
  @ApiProperty({ type: Number, nullable: true, description: 'Of the last attempt.', example: 200 })
  status_code!: number | null;
  @ApiProperty({ type: DeliveryErrorView, nullable: true }) error!: DeliveryError | null;
  @ApiProperty({ type: [WebhookAttemptView] }) attempts!: WebhookAttemptView[];
  @ApiProperty({
    description: 'What is sent.',
    type: Object,
    additionalProperties: true,
    example: { type: 'answer.scored' },
  })
  payload!: unknown;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) created_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:31:02.320Z' })
  finished_at!: Date | null;
}

export class DeliveryPage {
  @ApiProperty({ type: [DeliveryView] }) items!: DeliveryView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

/** @param attempts of any deliveries, oldest first */
export function deliveryView(delivery: WebhookDelivery, attempts: WebhookAttempt[]): DeliveryView {
  const { event_id, type, state, due_at, status_code, error, created_at, finished_at } = delivery;
  const id = delivery._id.toHexString();
  return {
    id,
    ...{ event_id, type, state, status_code, error, created_at, finished_at },
    next_attempt_at: state === 'due' ? due_at : null,
    attempts: attempts
      .filter(({ delivery_id }) => delivery_id.toHexString() === id)
      .map(({ number, at, duration_ms, status_code: status, outcome, error: why }) => {
        return { number, at, duration_ms, status_code: status, outcome, error: why };
      }),
    payload: JSON.parse(delivery.body) as unknown,
  };
}
