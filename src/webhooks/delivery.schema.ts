import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema, Types } from 'mongoose';

/** `cancelled`: not worth sending any more, such as of a take that was replaced, or its webhook was disabled. */
export const DELIVERY_STATES = ['due', 'sending', 'delivered', 'failed', 'cancelled'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

export interface DeliveryError {
  code: string;
  message: string;
}

/** One event for one webhook, collection `webhook_deliveries`. */
@Schema({ collection: 'webhook_deliveries', versionKey: false, autoIndex: false })
export class WebhookDelivery {
  _id!: Types.ObjectId;
  @Prop({ type: MongooseSchema.Types.ObjectId, required: true }) webhook_id!: Types.ObjectId;
  /** The `webhook-id` that is sent: the same at each attempt, and for each webhook that gets the event. */
  @Prop({ type: String, required: true }) event_id!: string;
  @Prop({ type: String, required: true }) type!: string;
  /** What is sent, byte for byte the same each time. */
  @Prop({ type: String }) body!: string;
  @Prop({ type: String }) state!: DeliveryState;
  @Prop({ type: Date }) due_at!: Date;
  /** Attempts since it was due for the first time, or was asked for again: how long the next wait is. */
  @Prop({ type: Number }) tries!: number;
  /** All attempts. */
  @Prop({ type: Number }) attempts!: number;
  /** Of the attempt under way. */
  @Prop({ type: String }) token!: string | null;
  @Prop({ type: Date }) lease_until!: Date | null;
  /** A person asked for it again: it is sent whatever became of what it tells of. */
  @Prop({ type: Boolean }) by_hand!: boolean;
  @Prop({ type: Date }) finished_at!: Date | null;
  /** Of the last attempt. */
  @Prop({ type: Number }) status_code!: number | null;
  @Prop({ type: MongooseSchema.Types.Mixed }) error!: DeliveryError | null;
  /** Whom and what it tells of. */
  @Prop({ type: String }) subject!: string | null;
  @Prop({ type: String }) session_id!: string | null;
  @Prop({ type: String }) upload_id!: string | null;
  @Prop({ type: String }) correlation_id!: string | null;
  @Prop({ type: Date }) created_at!: Date;
  @Prop({ type: Date }) expires_at!: Date;
}

export const WebhookDeliverySchema = SchemaFactory.createForClass(WebhookDelivery);
// An event is recorded once for each webhook, however often that is tried.
WebhookDeliverySchema.index({ webhook_id: 1, event_id: 1 }, { unique: true });
WebhookDeliverySchema.index({ webhook_id: 1, _id: -1 });
WebhookDeliverySchema.index({ webhook_id: 1, due_at: 1 }, { partialFilterExpression: { state: 'due' } });
WebhookDeliverySchema.index({ due_at: 1 }, { partialFilterExpression: { state: 'due' } });
WebhookDeliverySchema.index({ lease_until: 1 }, { partialFilterExpression: { state: 'sending' } });
WebhookDeliverySchema.index({ subject: 1, session_id: 1 });
WebhookDeliverySchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

export type AttemptOutcome = 'delivered' | 'retry' | 'failed' | 'lost' | 'returned';

/** One try of a delivery, collection `webhook_attempts`: written when it ends. */
@Schema({ collection: 'webhook_attempts', versionKey: false, autoIndex: false })
export class WebhookAttempt {
  _id!: Types.ObjectId;
  @Prop({ type: MongooseSchema.Types.ObjectId, required: true }) delivery_id!: Types.ObjectId;
  @Prop({ type: MongooseSchema.Types.ObjectId, required: true }) webhook_id!: Types.ObjectId;
  /** From 1. */
  @Prop({ type: Number }) number!: number;
  @Prop({ type: Date }) at!: Date;
  @Prop({ type: Number }) duration_ms!: number | null;
  /** Null when there was no answer. */
  @Prop({ type: Number }) status_code!: number | null;
  /** `lost`: its process went away. `returned`: given back at shutdown, and not counted. */
  @Prop({ type: String }) outcome!: AttemptOutcome;
  @Prop({ type: MongooseSchema.Types.Mixed }) error!: DeliveryError | null;
  @Prop({ type: Date }) expires_at!: Date;
}

export const WebhookAttemptSchema = SchemaFactory.createForClass(WebhookAttempt);
WebhookAttemptSchema.index({ delivery_id: 1, _id: 1 });
WebhookAttemptSchema.index({ webhook_id: 1 });
WebhookAttemptSchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });
