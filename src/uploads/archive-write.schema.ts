import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import type { ArchiveName } from './kept-audio.schema.js';

/**
 * A key of the archive under which something is about to be written, collection `archive_writes`: recorded before the first byte,
 * forgotten once kept audio is there for good. What is left of an attempt that died is found by it.
 */
@Schema({ collection: 'archive_writes', versionKey: false, autoIndex: false })
export class ArchiveWrite {
  /** `<store>/<key>` */
  @Prop({ type: String }) _id!: string;
  @Prop({ type: String, required: true }) store!: ArchiveName;
  @Prop({ type: String, required: true }) key!: string;
  /** When whoever writes there has to be over, or whoever deletes there. */
  @Prop({ type: Date, required: true }) until!: Date;
  /** The sweep is deleting what is there: nobody may begin to write. */
  @Prop({ type: Boolean }) emptying?: true;
}

export const ArchiveWriteSchema = SchemaFactory.createForClass(ArchiveWrite);
ArchiveWriteSchema.index({ until: 1 });
ArchiveWriteSchema.index({ key: 1 });
