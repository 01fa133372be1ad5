import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema, Types } from 'mongoose';
import type { OwedEvent } from '../events/owed.js';
import type { Criterion, Segment } from '../uploads/results.js';

export interface Question {
  id: string;
  text: string;
  model_answer: string | null;
  /** Share in the final score, relative to the other questions' weights. */
  weight: number;
}

/** Most questions of a session, listed or answered: all their answers are in one document, and MongoDB takes 16 MB. */
export const MOST_QUESTIONS = 200;

export type TranscriptionStatus = 'queued' | 'processing' | 'completed' | 'failed';

/** What `answers.<question_id>` holds: the shape that routes show, and the hidden fields that tie it to the ledger. */
export interface Answer {
  id: string;
  question_id: string;
  source: 'audio' | 'text';
  /** Null once the transcript is written and the audio is gone. */
  gridfs_file_id: string | null;
  /** Of kept audio; answers of an older version have none. */
  audio_url?: string | null;
  transcription_status: TranscriptionStatus;
  transcribed_at: Date | null;
  transcription_error: string | null;
  transcript: string | null;
  segments: Segment[];
  language: string | null;
  /** Seconds. */
  duration: number | null;
  transcriber: string | null;
  /** 0 to 100, one decimal. */
  score: number | null;
  criteria: Criterion[];
  feedback: string[];
  model_answer: string | null;
  /** Why there is no score, in a sentence. */
  not_scorable: string | null;
  scorer: string | null;
  sha256: string;
  /** Bytes. */
  size: number;
  created_at: Date;
  updated_at: Date;
  /** Hidden: the ledger row that feeds it. */
  upload_id: string;
  /** Hidden: the file this take had, also after it is gone. */
  file_id: string | null;
  /** Hidden: the row's `version` that is shown. */
  version: number;
  /** Hidden: where its scoring is. */
  analysis_status: 'waiting' | 'due' | 'processing' | 'done' | 'failed';
  analysis_error: string | null;
}

/** One candidate's interview, collection `interview_sessions`. */
@Schema({ collection: 'interview_sessions', versionKey: false, minimize: false, autoIndex: false })
export class InterviewSession {
  _id!: Types.ObjectId;
  /** `<session_id>/<user_id>`: one value that is unique and found by one index. */
  @Prop({ type: String, required: true }) key!: string;
  @Prop({ type: String, required: true }) session_id!: string;
  @Prop({ type: String, required: true }) user_id!: string;
  @Prop({ type: String }) title!: string | null;
  @Prop({ type: String }) role!: string | null;
  @Prop({ type: String }) language!: string | null;
  @Prop({ type: Boolean }) retain_audio!: boolean;
  @Prop({ type: MongooseSchema.Types.Mixed }) questions!: Question[];
  @Prop({ type: MongooseSchema.Types.Mixed }) answers!: Record<string, Answer>;
  /** Hidden: questions that have had an answer; sessions of older versions count from their next one. */
  @Prop({ type: Number }) answered?: number;
  /** Counts changes; the ETag of what is shown. */
  @Prop({ type: Number }) rev!: number;
  @Prop({ type: Number }) final_score!: number | null;
  @Prop({ type: Date }) analyzed_at!: Date | null;
  @Prop({ type: Date }) created_at!: Date;
  @Prop({ type: Date }) updated_at!: Date;
  /** Set while its erasure is under way: it reads as gone, and the sweep finishes it. */
  @Prop({ type: Date }) erasing_since?: Date;
  /** Events that nobody was told of yet, and the latest of them; see `OwesEvents`. */
  @Prop({ type: String }) events_due?: string;
  @Prop({ type: MongooseSchema.Types.Mixed }) owed?: Record<string, OwedEvent>;
}

export const InterviewSessionSchema = SchemaFactory.createForClass(InterviewSession);
// Sparse: sessions of the service before this one have no key until they are adopted.
InterviewSessionSchema.index({ key: 1 }, { name: 'session_key', unique: true, sparse: true });
InterviewSessionSchema.index({ user_id: 1, _id: -1 });
InterviewSessionSchema.index({ erasing_since: 1 }, { sparse: true });
InterviewSessionSchema.index({ events_due: 1 }, { sparse: true });

export const sessionKey = (userId: string, sessionId: string): string => `${sessionId}/${userId}`;
