import { createHash } from 'node:crypto';
import { mongo } from 'mongoose';
import type { InterviewSession } from '../sessions/session.schema.js';
import { dueStage } from '../uploads/upload.schema.js';
import type { Stage, StageError, Upload } from '../uploads/upload.schema.js';
import { AUDIO_LOST } from './lost-audio.js';

/* What the service before this one wrote: the same collection, fewer fields. Nothing in it is taken on trust. */

export interface OldAnswer {
  id?: unknown;
  gridfs_file_id?: unknown;
  transcription_status?: unknown;
  transcription_error?: unknown;
  transcript?: unknown;
  transcribed_at?: unknown;
  created_at?: unknown;
  score?: unknown;
  /** There once the answer is adopted. */
  upload_id?: unknown;
}

export interface OldSession extends Partial<Omit<InterviewSession, 'answers'>> {
  _id: mongo.ObjectId;
  answers?: Record<string, OldAnswer> | null;
  /** Set while it is being adopted: its rows may not be active yet. */
  adopting?: true;
}

/** The bytes of an answer as they are stored. */
export interface OldAudio {
  size: number;
  /** Lower-case hex. */
  sha256: string;
  /** Sniffed, else what the file says; may be empty. */
  content_type: string;
}

/** A row that does nothing until its session refers to it: its stages stand aside in `adopting`. */
export type AdoptedRow = Upload & { adopting?: Upload['stages'] };

/** The id of the answer's row: the answer's own, where that is an ObjectId, else one that follows from the answer. */
export function rowId(session: OldSession, questionId: string, answer: OldAnswer, own = true): mongo.ObjectId {
  if (own && typeof answer.id === 'string' && mongo.ObjectId.isValid(answer.id)) return new mongo.ObjectId(answer.id);
  const seed = JSON.stringify([session._id, questionId, answer.id, answer.gridfs_file_id, answer.created_at]);
  return new mongo.ObjectId(createHash('sha256').update(seed).digest('hex').slice(0, 24));
}

/** Whether a value is a document, as an answer is one; null, a date and a list are none. */
export function isDocument(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.getPrototypeOf(Object.getPrototypeOf(value)) === null;
}

/** @param answer of a session that may not have been looked at */
export function fileIdOf(answer: OldAnswer | null): mongo.ObjectId | null {
  const id = answer?.gridfs_file_id;
  if (id instanceof mongo.ObjectId) return id;
  return typeof id === 'string' && mongo.ObjectId.isValid(id) ? new mongo.ObjectId(id) : null;
}

/**
 * The ledger row that an old answer would have had.
 *
 * @param audio null when its bytes are gone
 * @returns its stages as they are to be: queued and processing are due again, what was never scored is due for that, and what
 *   its session keeps is due for the archive
 */
export function adoptedRow(
  session: OldSession & { user_id: string; session_id: string },
  questionId: string,
  answer: OldAnswer,
  audio: OldAudio | null,
  now: Date,
): Upload {
  const createdAt = dateOr(answer.created_at, session._id.getTimestamp());
  const transcribedAt = dateOr(answer.transcribed_at, createdAt);
  const text = answer.transcription_status === 'completed' ? answer.transcript : null;
  const score = typeof answer.score === 'number' ? answer.score : null;
  const row: Upload = {
    _id: rowId(session, questionId, answer),
    kind: 'answer',
    state: 'committed',
    user_id: session.user_id,
    session_id: session.session_id,
    question_id: questionId,
    source: 'audio',
    file_id: fileIdOf(answer),
    audio_state: audio ? 'stored' : 'deleted',
    retain_audio: session.retain_audio === true,
    file_name: null,
    ...audio,
    language: null,
    correlation_id: null,
    created_at: createdAt,
    updated_at: now,
    lease_until: null,
    committed_at: createdAt,
    error: null,
    stages: {},
    version: 0,
  };
  if (typeof text === 'string') {
    row.transcript = { text, segments: [], language: null, duration: null, transcriber: 'adopted' };
    row.transcribed_at = transcribedAt;
    row.stages = { transcription: ended('done', transcribedAt), analysis: dueStage(now) };
    if (audio && row.retain_audio) row.stages.archive = dueStage(now);
    if (score === null) return row;
    row.analysis = { score, notScorable: null, criteria: [], feedback: [], modelAnswer: null, scorer: 'adopted' };
    row.stages.analysis = ended('done', transcribedAt);
  } else if (answer.transcription_status === 'failed') {
    const message = typeof answer.transcription_error === 'string' ? answer.transcription_error : '';
    const error = { code: 'failed_before_adoption', message: message || 'The transcription failed' };
    // Its audio is kept, to be tried again, as long as if it had failed here today.
    row.stages = { transcription: ended('failed', now, error) };
  } else {
    row.stages = { transcription: audio ? dueStage(now) : ended('failed', now, AUDIO_LOST) };
  }
  return row;
}

function ended(state: 'done' | 'failed', at: Date, error: StageError | null = null): Stage {
  return { ...dueStage(at), state, finished_at: at, error };
}

export function dateOr(value: unknown, otherwise: Date): Date {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value : otherwise;
}
