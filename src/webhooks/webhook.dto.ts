import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsOptional, IsString, Length } from 'class-validator';
import { IsFlag } from '../common/lax.decorators.js';
import { EVENT_TYPES } from '../events/owed.js';
import type { EventType } from '../events/owed.js';
import type { Webhook, WebhookScope } from './webhook.schema.js';

const LONGEST_URL = 2048;
const LONGEST_DESCRIPTION = 300;
const ABOUT_EVENTS =
  '`alert.*` for global webhooks alone. `document.completed` and `batch.completed` can be asked for, and nothing sends them yet.';

export class CreateWebhook {
  @ApiProperty({
    minLength: 1,
    maxLength: LONGEST_URL,
    description:
      'http or https, in production https alone; without a user name or password, and not a private address.',
    example: 'https://example.com/hooks/vivavoce',
  })
  @IsString()
  @Length(1, LONGEST_URL)
  url!: string;

  @ApiProperty({
    enum: EVENT_TYPES,
    isArray: true,
    minItems: 1,
    uniqueItems: true,
    description: ABOUT_EVENTS,
    example: ['answer.scored', 'answer.failed'],
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(EVENT_TYPES.length)
  @IsIn(EVENT_TYPES, { each: true })
  @ArrayUnique()
  events!: EventType[];

  @ApiPropertyOptional({ type: String, maxLength: LONGEST_DESCRIPTION, nullable: true, example: 'Applicant tracking' })
  @IsOptional()
  @IsString()
  @Length(0, LONGEST_DESCRIPTION)
  description?: string | null;

  @ApiPropertyOptional({ default: true, example: true })
  @IsOptional()
  @IsFlag()
  enabled?: boolean;

  @ApiPropertyOptional({
    enum: ['own', 'global'],
    default: 'own',
    description: '`global`: events of all users; for admins.',
    example: 'own',
  })
  @IsOptional()
  @IsIn(['own', 'global'])
  scope?: WebhookScope;
}

export class ChangeWebhook {
  @ApiPropertyOptional({ minLength: 1, maxLength: LONGEST_URL, example: 'https://example.com/hooks/vivavoce' })
  @IsOptional()
  @IsString()
  @Length(1, LONGEST_URL)
  url?: string;

  @ApiPropertyOptional({
    enum: EVENT_TYPES,
    isArray: true,
    minItems: 1,
    uniqueItems: true,
    description: ABOUT_EVENTS,
    example: ['answer.scored'],
  })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(EVENT_TYPES.length)
  @IsIn(EVENT_TYPES, { each: true })
  @ArrayUnique()
  events?: EventType[];

  @ApiPropertyOptional({ type: String, maxLength: LONGEST_DESCRIPTION, nullable: true, example: 'Applicant tracking' })
  @IsOptional()
  @IsString()
  @Length(0, LONGEST_DESCRIPTION)
  description?: string | null;

  @ApiPropertyOptional({ description: 'What is due is cancelled when it is disabled.', example: true })
  @IsOptional()
  @IsFlag()
  enabled?: boolean;

  @ApiPropertyOptional({
    description:
      'Makes a new secret. For 24 hours what is sent is signed with the old one too, and with up to four before it whose 24 hours are not over.',
    example: false,
  })
  @IsOptional()
  @IsFlag()
  rotate_secret?: boolean;
}

export class WebhookView {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) id!: string;
  @ApiProperty({ example: 'https://example.com/hooks/vivavoce' }) url!: string;
  @ApiProperty({ enum: EVENT_TYPES, isArray: true, example: ['answer.scored', 'answer.failed'] }) events!: EventType[];
  @ApiProperty({ type: String, nullable: true, example: 'Applicant tracking' }) description!: string | null;
  @ApiProperty({ enum: ['own', 'global'], example: 'own' }) scope!: WebhookScope;
  @ApiProperty({ example: true }) enabled!: boolean;
  @ApiProperty({ type: String, nullable: true, description: 'Why the service disabled it.', example: null })
  disabled_reason!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null }) disabled_at!: Date | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Since when no delivery has succeeded; null when the last one did.',
    example: null,
  })
  failing_since!: Date | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until when what is sent is signed with the secret before, too.',
    example: null,
  })
  previous_secret_until!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) created_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) updated_at!: Date;
}

export class WebhookWithSecret extends WebhookView {
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Shown once: when the webhook is made, or its secret is rotated.',
    example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw7qTTjJ9hM1o=',
  })
  secret!: string | null;
}

export class WebhookPage {
  @ApiProperty({ type: [WebhookView] }) items!: WebhookView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

export function webhookView(webhook: Webhook): WebhookView {
  const { url, events, description, scope, enabled, disabled_reason, disabled_at, failing_since } = webhook;
  return {
    id: webhook._id.toHexString(),
    ...{ url, events, description, scope, enabled, disabled_reason, disabled_at, failing_since },
    previous_secret_until:
      webhook.previous_until && webhook.previous_until > new Date() ? webhook.previous_until : null,
    created_at: webhook.created_at,
    updated_at: webhook.updated_at,
  };
}
