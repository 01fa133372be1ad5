import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema, Types } from 'mongoose';
import type { EventType } from '../events/owed.js';

/** `own`: events of its owner. `global`: events of all users, and alerts; for admins. */
export type WebhookScope = 'own' | 'global';

/** Who has it: one value by which a user's webhooks are found and counted. */
export const GLOBAL_OWNER = 'global';
export const ownerOf = (userId: string): string => `user:${userId}`;

/** Where events are sent to, collection `webhooks`. */
@Schema({ collection: 'webhooks', versionKey: false, autoIndex: false })
export class Webhook {
  _id!: Types.ObjectId;
  @Prop({ type: String, required: true }) owner!: string;
  /** Which of its owner's places it has: the unique index bounds how many there are. */
  @Prop({ type: Number, required: true }) slot!: number;
  @Prop({ type: String }) scope!: WebhookScope;
  /** Who made it. */
  @Prop({ type: String }) user_id!: string;
  /** May hold a password of the receiver's: never logged. */
  @Prop({ type: String }) url!: string;
  @Prop({ type: String }) description!: string | null;
  @Prop({ type: [String] }) events!: EventType[];
  @Prop({ type: Boolean }) enabled!: boolean;
  /** Why the service disabled it, in a sentence; null when a person did, or nobody. */
  @Prop({ type: String }) disabled_reason!: string | null;
  @Prop({ type: Date }) disabled_at!: Date | null;
  /** As `SecretBox` keeps it. */
  @Prop({ type: String }) secret!: string;
  /** The one before, which signs too until the time beside it. */
  @Prop({ type: String }) previous_secret!: string | null;
  @Prop({ type: Date }) previous_until!: Date | null;
  /** Those before that one, where it was rotated again within their time; newest first. */
  @Prop({ type: MongooseSchema.Types.Mixed }) earlier_secrets?: { secret: string; until: Date }[];
  /** Since when no delivery has succeeded; null when the last one did. */
  @Prop({ type: Date }) failing_since!: Date | null;
  @Prop({ type: Date }) created_at!: Date;
  @Prop({ type: Date }) updated_at!: Date;
}

export const WebhookSchema = SchemaFactory.createForClass(Webhook);
WebhookSchema.index({ owner: 1, slot: 1 }, { unique: true });
WebhookSchema.index({ owner: 1, _id: -1 });

/** Besides its secret, those before it that still sign; newest first, as `SecretBox` keeps them. */
export function previousSecrets(
  { previous_secret, previous_until, earlier_secrets = [] }: Webhook,
  at: Date,
): { secret: string; until: Date }[] {
  const previous =
    previous_secret !== null && previous_until !== null ? [{ secret: previous_secret, until: previous_until }] : [];
  return [...previous, ...earlier_secrets].filter(({ until }) => until > at);
}
