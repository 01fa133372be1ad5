import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Types } from 'mongoose';

export const ARCHIVES = ['gridfs', 's3'] as const;
export type ArchiveName = (typeof ARCHIVES)[number];

/**
 * Audio that is kept for good, collection `kept_audio`: one for the same bytes of the same owner, however many uploads refer to it.
 * `storing`: on its way into the archive; `live`: every byte is there and was checked; `deleting`: the last reference went.
 */
@Schema({ collection: 'kept_audio', versionKey: false, autoIndex: false })
export class KeptAudio {
  _id!: Types.ObjectId;
  @Prop({ type: String, required: true }) user_id!: string;
  /** Lower-case hex. */
  @Prop({ type: String, required: true }) sha256!: string;
  @Prop({ type: String, required: true }) state!: 'storing' | 'live' | 'deleting';
  @Prop({ type: String, required: true }) store!: ArchiveName;
  /** Id in the store; while `storing`, that of the latest attempt. */
  @Prop({ type: String }) key!: string | null;
  /** Upload whose worker is storing it. */
  @Prop({ type: Types.ObjectId }) by!: Types.ObjectId;
  /** Of whoever deletes it. */
  @Prop({ type: String }) token!: string | null;
  @Prop({ type: String }) content_type!: string;
  /** Bytes. */
  @Prop({ type: Number }) size!: number;
  @Prop({ type: Date }) created_at!: Date;
  @Prop({ type: Date }) updated_at!: Date;
  /** Since when recovery has known it as referred to by no row; deleted after `QUARANTINE_HOURS` if it still is. */
  @Prop({ type: Date }) unwanted_since?: Date;
}

export const KeptAudioSchema = SchemaFactory.createForClass(KeptAudio);
KeptAudioSchema.index({ user_id: 1, sha256: 1 }, { unique: true });
KeptAudioSchema.index({ key: 1 });
// What was cut short while it was stored or deleted.
KeptAudioSchema.index({ updated_at: 1 }, { partialFilterExpression: { state: 'deleting' } });
