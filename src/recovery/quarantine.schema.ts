import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Types } from 'mongoose';

/** How long people can see what became of an entry. */
const CLOSED_KEPT_S = 90 * 24 * 3600;

/** Stored bytes that seem unwanted, collection `quarantine`. Its id is the file's. */
@Schema({ collection: 'quarantine', versionKey: false, autoIndex: false })
export class Quarantined {
  _id!: Types.ObjectId;
  @Prop({ type: String, required: true }) kind!: 'file' | 'chunks';
  /** Why nothing wants it. */
  @Prop({ type: String, required: true }) reason!: string;
  @Prop({ type: String }) upload_id!: string | null;
  /** Bytes, null where only chunks are left. */
  @Prop({ type: Number }) size!: number | null;
  /** `released`: something wanted it after all. */
  @Prop({ type: String, required: true }) state!: 'held' | 'released' | 'deleted';
  @Prop({ type: Date }) since!: Date;
  /** When it may be deleted, if it is still unwanted. */
  @Prop({ type: Date }) until!: Date;
  @Prop({ type: Date }) closed_at?: Date;
}

export const QuarantinedSchema = SchemaFactory.createForClass(Quarantined);
QuarantinedSchema.index({ state: 1, _id: 1 });
QuarantinedSchema.index({ closed_at: 1 }, { expireAfterSeconds: CLOSED_KEPT_S });
