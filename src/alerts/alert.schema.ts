import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema } from 'mongoose';
import type { OwedEvent } from '../events/owed.js';

/** `pending`: its condition holds, but not for long enough yet. */
export type AlertState = 'ok' | 'pending' | 'firing';

/** What is watched, and whether it is told of at the moment; collection `alerts`. Shared by all processes, so that it is told of once. */
@Schema({ collection: 'alerts', versionKey: false, autoIndex: false })
export class Alert {
  /** Such as `backlog:transcription` or `space_low:<host>`. */
  @Prop({ type: String }) _id!: string;
  @Prop({ type: String }) state!: AlertState;
  /** Since when it is in this state. */
  @Prop({ type: Date }) since!: Date;
  /** When the condition was last looked at. */
  @Prop({ type: Date }) seen_at!: Date;
  @Prop({ type: Number }) value!: number;
  @Prop({ type: Date }) updated_at!: Date;
  /** See `OwesEvents`. */
  @Prop({ type: String }) events_due?: string;
  @Prop({ type: MongooseSchema.Types.Mixed }) owed?: Record<string, OwedEvent>;
}

export const AlertSchema = SchemaFactory.createForClass(Alert);
AlertSchema.index({ events_due: 1 }, { sparse: true });
