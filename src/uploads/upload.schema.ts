import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema, Types } from 'mongoose';
import type { OwedEvent } from '../events/owed.js';
import type { Score, Segment, Transcript } from './results.js';

/** What an upload feeds. Recordings, documents and content items dock here as kinds of their own. */
export type UploadKind = 'answer';

/** The stages an upload can pass; each is a Bull queue and a processor. */
export const STAGES = ['transcription', 'analysis', 'archive'] as const;
export type StageName = (typeof STAGES)[number];

/** Whether a stage works on the stored bytes, so that it cannot run once they are gone. */
export const needsBytes = (stage: StageName): boolean => stage !== 'analysis';

/**
 * Life of a row: `uploading` until every byte is durable, `committed` from then on. `superseded`: a newer take of the
 * question replaced it. `duplicate`: the same bytes were there already. `failed`: it never arrived whole, no bytes kept.
 */
export type UploadState = 'uploading' | 'committed' | 'superseded' | 'duplicate' | 'failed';

/**
 * What becomes of audio that is kept: it is being stored in the archive, it is there, it is to be given up because the row
 * no longer stands for anything, it was given up.
 */
export type KeptState = 'linking' | 'kept' | 'releasing' | 'released';

/** Where the received bytes are: in the landing zone, being deleted (the sweep finishes it), gone, or there never were any (text). */
export type AudioState = 'stored' | 'deleting' | 'deleted' | 'none';

export type StageState = 'due' | 'processing' | 'done' | 'failed';

/** The time that the index of the stages in each state goes by; it holds no others. */
export const TIME_OF = { due: 'due_at', processing: 'lease_until', failed: 'finished_at' } as const;

export interface StageError {
  code: string;
  message: string;
}

export interface Stage {
  state: StageState;
  /** When it may run next. */
  due_at: Date;
  /** When it became due at first, or by hand: no try that fails changes it. Rows of earlier versions have none. */
  waiting_since?: Date;
  /** Counted at the claim. */
  attempts: number;
  /** How often a job was made for it; part of the Bull job id. */
  dispatch: number;
  /** Of the attempt that holds it; whoever has another one has lost it. */
  token: string | null;
  lease_until: Date | null;
  worker: string | null;
  started_at: Date | null;
  finished_at: Date | null;
  error: StageError | null;
  /** Failed, and an admin decided that nothing more is to come of it. */
  dismissed_at?: Date;
  dismissed_by?: string;
}

/** A row of the ledger, collection `uploads`. Its id is what every route calls `upload_id` and `job_id`. */
@Schema({ collection: 'uploads', versionKey: false, strict: false, autoIndex: false })
export class Upload {
  _id!: Types.ObjectId;
  @Prop({ type: String, required: true }) kind!: UploadKind;
  @Prop({ type: String, required: true }) state!: UploadState;
  @Prop({ type: String, required: true }) user_id!: string;
  @Prop({ type: String }) session_id!: string;
  @Prop({ type: String }) question_id!: string;
  @Prop({ type: String }) source!: 'audio' | 'text';
  /** GridFS id of the bytes, null for text. */
  @Prop({ type: MongooseSchema.Types.ObjectId }) file_id!: Types.ObjectId | null;
  @Prop({ type: String }) audio_state!: AudioState;
  @Prop({ type: Date }) audio_deleted_at?: Date;
  @Prop({ type: Boolean }) retain_audio!: boolean;
  /** The kept audio that this row refers to while `linking` or `kept`. */
  @Prop({ type: MongooseSchema.Types.ObjectId }) kept_id?: Types.ObjectId;
  @Prop({ type: String }) kept_state?: KeptState;
  /** The client's name for the file, for people; never a path. */
  @Prop({ type: String }) file_name?: string | null;
  /** Sniffed media type. */
  @Prop({ type: String }) content_type?: string;
  /** Bytes. */
  @Prop({ type: Number }) size?: number;
  /** Lower-case hex. */
  @Prop({ type: String }) sha256?: string;
  /** ISO 639-1 as the upload or its session gave it. */
  @Prop({ type: String }) language!: string | null;
  @Prop({ type: String }) correlation_id!: string | null;
  @Prop({ type: Date }) created_at!: Date;
  @Prop({ type: Date }) updated_at!: Date;
  /** While `uploading`: when the row may be swept as half-written. */
  @Prop({ type: Date }) lease_until?: Date | null;
  @Prop({ type: Date }) committed_at!: Date | null;
  /** Set at the commit and unset once the target refers to the row, at the latest by the first claim: until then the sweep makes sure that the target refers to this row. */
  @Prop({ type: Boolean }) link_due?: true;
  /** When the target came to refer to the row, as far as that was noted. */
  @Prop({ type: Date }) linked_at?: Date;
  @Prop({ type: Date }) superseded_at?: Date;
  @Prop({ type: String }) superseded_by?: string;
  @Prop({ type: String }) duplicate_of?: string;
  @Prop({ type: MongooseSchema.Types.Mixed }) error!: StageError | null;
  @Prop({ type: MongooseSchema.Types.Mixed }) stages!: Partial<Record<StageName, Stage>>;
  /** Counts the changes that the target shows: a late writer never puts an older one over a newer one. */
  @Prop({ type: Number }) version!: number;
  /** Names the last change that the target does not show yet for sure; unset once it does. */
  @Prop({ type: String }) projection_due?: string;
  /** Events that nobody was told of yet, and the latest of them; see `OwesEvents`. */
  @Prop({ type: String }) events_due?: string;
  @Prop({ type: MongooseSchema.Types.Mixed }) owed?: Record<string, OwedEvent>;
  /** Result of the transcription stage; for text answers the text itself. */
  @Prop({ type: MongooseSchema.Types.Mixed }) transcript?: Transcript;
  @Prop({ type: Date }) transcribed_at?: Date;
  /** Result of the analysis stage. */
  @Prop({ type: MongooseSchema.Types.Mixed }) analysis?: Score;
}

export const UploadSchema = SchemaFactory.createForClass(Upload);
UploadSchema.index({ user_id: 1, _id: -1 });
UploadSchema.index({ user_id: 1, session_id: 1, _id: -1 });
// The same bytes of the same user: what is here already, and what was transcribed already. The hash first: an engine that
// goes by the first field it knows would look through all that the user ever sent.
UploadSchema.index({ sha256: 1, user_id: 1 });
// Which rows still name a file.
UploadSchema.index({ file_id: 1 });
// Who refers to kept audio.
UploadSchema.index({ kept_id: 1 }, { sparse: true });
// What the sweep looks for; each index holds only the few rows that are under way.
UploadSchema.index({ lease_until: 1 }, { partialFilterExpression: { state: 'uploading' } });
UploadSchema.index({ committed_at: 1 }, { partialFilterExpression: { link_due: true } });
UploadSchema.index({ projection_due: 1 }, { sparse: true });
UploadSchema.index({ events_due: 1 }, { sparse: true });
UploadSchema.index({ updated_at: 1 }, { name: 'failed_updated_at', partialFilterExpression: { state: 'failed' } });
UploadSchema.index({ updated_at: 1 }, { partialFilterExpression: { audio_state: 'deleting' } });
UploadSchema.index(
  { updated_at: 1 },
  { name: 'releasing_updated_at', partialFilterExpression: { kept_state: 'releasing' } },
);
for (const stage of STAGES) {
  for (const [state, time] of Object.entries(TIME_OF)) {
    UploadSchema.index(
      { [`stages.${stage}.${time}`]: 1 },
      { partialFilterExpression: { [`stages.${stage}.state`]: state } },
    );
  }
}

/** A fresh stage that may run at once. */
export function dueStage(now: Date): Stage {
  return {
    state: 'due',
    due_at: now,
    waiting_since: now,
    attempts: 0,
    dispatch: 1,
    token: null,
    lease_until: null,
    worker: null,
    started_at: null,
    finished_at: null,
    error: null,
  };
}

/** One try of one stage, or several that ended alike and are not counted, collection `attempts`: written when it ends, by whoever ended it. */
@Schema({ collection: 'attempts', versionKey: false, autoIndex: false })
export class Attempt {
  _id!: Types.ObjectId;
  @Prop({ type: MongooseSchema.Types.ObjectId, required: true }) upload_id!: Types.ObjectId;
  @Prop({ type: String, required: true }) stage!: StageName;
  /** From 1. */
  @Prop({ type: Number, required: true }) number!: number;
  @Prop({ type: String }) worker!: string | null;
  @Prop({ type: Date }) from!: Date | null;
  @Prop({ type: Date }) to!: Date;
  /** `lost`: the worker went away and its lease ran out. `returned`: given back, at shutdown or for another worker; not counted. */
  @Prop({ type: String }) outcome!: 'done' | 'retry' | 'failed' | 'lost' | 'returned';
  @Prop({ type: MongooseSchema.Types.Mixed }) error!: StageError | null;
  @Prop({ type: String }) correlation_id!: string | null;
  /** Of tries that are not counted and ended alike, how many this stands for: `from` is the first one's, `to` the last one's. */
  @Prop({ type: Number }) times?: number;
}

export const AttemptSchema = SchemaFactory.createForClass(Attempt);
AttemptSchema.index({ upload_id: 1, _id: 1 });
// What ended how in a span of time: ids are made at the end of an attempt.
AttemptSchema.index({ outcome: 1, _id: 1 });

/** A finished piece of a long transcription, collection `transcription_pieces`: gone once the whole is written. */
@Schema({ collection: 'transcription_pieces', versionKey: false, autoIndex: false })
export class FinishedPiece {
  _id!: Types.ObjectId;
  @Prop({ type: MongooseSchema.Types.ObjectId, required: true }) upload_id!: Types.ObjectId;
  /** Engine and version: another one cuts and hears differently. */
  @Prop({ type: String, required: true }) engine!: string;
  /** As it was asked for. */
  @Prop({ type: String }) language!: string | null;
  @Prop({ type: Number, required: true }) index!: number;
  @Prop({ type: Date }) saved_at!: Date;
  @Prop({ type: MongooseSchema.Types.Mixed }) segments!: Segment[];
}

export const FinishedPieceSchema = SchemaFactory.createForClass(FinishedPiece);
FinishedPieceSchema.index({ upload_id: 1, engine: 1, index: 1 }, { unique: true });
// Pieces of an engine that is no longer in use are asked for by nobody.
FinishedPieceSchema.index({ saved_at: 1 }, { expireAfterSeconds: 14 * 24 * 3600 });
