import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema, Types } from 'mongoose';

export type AuditOutcome = 'done' | 'refused' | 'error';

/** What a person did by hand, collection `audit`. Rows are only ever added. */
@Schema({ collection: 'audit', versionKey: false, autoIndex: false })
export class AuditEntry {
  _id!: Types.ObjectId;
  @Prop({ type: Date }) at!: Date;
  @Prop({ type: String, required: true }) user_id!: string;
  /** `thing.verb`, such as `upload.fail`. */
  @Prop({ type: String, required: true }) action!: string;
  /** `kind/id`, or a kind alone where many were meant. */
  @Prop({ type: String, required: true }) target!: string;
  /** `refused`: a state or a rule was against it, and nothing changed. */
  @Prop({ type: String }) outcome!: AuditOutcome;
  /** Of the error, when it was not done. */
  @Prop({ type: String }) code!: string | null;
  @Prop({ type: MongooseSchema.Types.Mixed }) details!: Record<string, unknown>;
  @Prop({ type: String }) ip!: string | null;
  @Prop({ type: String }) correlation_id!: string | null;
}

export const AuditEntrySchema = SchemaFactory.createForClass(AuditEntry);
for (const field of ['user_id', 'action', 'target']) AuditEntrySchema.index({ [field]: 1, _id: -1 });
