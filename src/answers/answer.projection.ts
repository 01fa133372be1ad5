import type { Answer, TranscriptionStatus } from '../sessions/session.schema.js';
import { SESSION_FULL } from '../uploads/ledger-errors.js';
import type { StageState, Upload } from '../uploads/upload.schema.js';

const STATUS: Record<StageState, TranscriptionStatus> = {
  due: 'queued',
  processing: 'processing',
  done: 'completed',
  failed: 'failed',
};

/** The word for a take: its transcription stage's state; what was written needs none. */
export function transcriptionStatus(row: Upload): TranscriptionStatus {
  return STATUS[row.stages.transcription?.state ?? 'done'];
}

/** What a ledger row says, as fields of the answer that it feeds. The whole of it each time: any projection may be the first to arrive. */
export function answerFields(row: Upload): Partial<Answer> {
  const status = transcriptionStatus(row);
  const { transcript, analysis } = row;
  const error = row.stages.transcription?.error;
  return {
    transcription_status: status,
    transcribed_at: row.transcribed_at ?? null,
    transcription_error: status === 'failed' ? (error?.message ?? 'The transcription failed') : null,
    audio_url: isKept(row) ? `/api/uploads/${row._id.toHexString()}/audio` : null,
    gridfs_file_id: row.audio_state === 'stored' ? (row.file_id?.toHexString() ?? null) : null,
    transcript: transcript?.text ?? null,
    segments: transcript?.segments ?? [],
    language: transcript?.language ?? row.language,
    duration: transcript?.duration ?? null,
    transcriber: transcript?.transcriber ?? null,
    score: analysis?.score ?? null,
    criteria: analysis?.criteria ?? [],
    feedback: analysis?.feedback ?? [],
    model_answer: analysis?.modelAnswer ?? null,
    not_scorable: analysis?.notScorable ?? null,
    scorer: analysis?.scorer ?? null,
    analysis_status: row.stages.analysis?.state ?? 'waiting',
    analysis_error: row.stages.analysis?.state === 'failed' ? (row.stages.analysis.error?.message ?? null) : null,
  };
}

/**
 * The same for a session that has no room for all of it, less and less: a transcript without its times, without its score, and at
 * last none.
 */
export function shorterFields(row: Upload): Partial<Answer>[] {
  const untimed = { ...answerFields(row), segments: [] };
  const none = { score: null, criteria: [], feedback: [], model_answer: null, not_scorable: null, scorer: null };
  const { message } = SESSION_FULL;
  const unscored: Partial<Answer> = { ...untimed, ...none, analysis_status: 'failed', analysis_error: message };
  const unwritten: Partial<Answer> = { transcript: null, transcription_status: 'failed', transcription_error: message };
  return [untimed, unscored, { ...unscored, ...unwritten }];
}

/** Kept for good, wherever it is on its way into the archive. */
function isKept({ retain_audio, audio_state, kept_state }: Upload): boolean {
  return retain_audio && (audio_state === 'stored' || kept_state === 'kept');
}

/** The answer of a take that has just been committed. */
export function newAnswer(row: Upload): Answer {
  const now = new Date();
  const id = row._id.toHexString();
  return {
    ...(answerFields(row) as Answer),
    id,
    question_id: row.question_id,
    source: row.source,
    sha256: row.sha256 ?? '',
    size: row.size ?? 0,
    created_at: row.committed_at ?? now,
    updated_at: now,
    upload_id: id,
    file_id: row.file_id?.toHexString() ?? null,
    version: row.version,
  };
}

/** Whether the take that an answer shows was committed later than the one of a row: of two that meet, the later one stays. */
export function isLater(answer: Answer, row: Upload): boolean {
  const by = answer.created_at.getTime() - (row.committed_at ?? row.created_at).getTime();
  return by > 0 || (by === 0 && answer.upload_id > row._id.toHexString());
}
