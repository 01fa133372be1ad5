import type { mongo } from 'mongoose';
import { stageIn, stagePath } from '../uploads/stage-path.js';
import { STAGES, needsBytes } from '../uploads/upload.schema.js';
import type { Stage, StageName, Upload } from '../uploads/upload.schema.js';

/** `expired`: its audio was kept as long as failed audio is kept, and is gone. `dismissed`: an admin closed it. */
export type LetterState = 'open' | 'expired' | 'dismissed';

export interface LetterFilter {
  stage?: StageName;
  code?: string;
  user_id?: string;
  session_id?: string;
  /** Failed at or after. */
  since?: Date;
}

/** A stage of a row that still counts, in state `failed`: that is the dead letter, and the only record of it. */
export interface DeadLetter {
  row: Upload;
  name: StageName;
  stage: Stage;
}

/** Which of a row's dead letters is meant. */
export interface LetterChoice extends LetterFilter {
  state?: 'open' | 'expired';
  /** Failed at or before. */
  until?: Date;
}

/**
 * The dead letter of a row; of several the first that is not dismissed, since its stages may fail side by side. Null when none is meant,
 * or it no longer stands for anything.
 */
export function deadLetterOf(row: Upload, choice: LetterChoice = {}): DeadLetter | null {
  if (row.state !== 'committed') return null;
  const letters: DeadLetter[] = [];
  for (const name of STAGES) {
    const stage = row.stages[name];
    if (stage?.state === 'failed' && isMeant({ row, name, stage }, choice)) letters.push({ row, name, stage });
  }
  return letters.find(({ stage }) => !stage.dismissed_at) ?? letters[0] ?? null;
}

function isMeant(letter: DeadLetter, { stage, code, since, until, state }: LetterChoice): boolean {
  const { error, finished_at: at } = letter.stage;
  if (stage && letter.name !== stage) return false;
  if (code && error?.code !== code) return false;
  if (since && !(at && at >= since)) return false;
  if (until && !(at && at <= until)) return false;
  return !state || letterState(letter) === state;
}

export function letterState({ row, name, stage }: DeadLetter): LetterState {
  if (stage.dismissed_at) return 'dismissed';
  return needsBytes(name) && row.audio_state !== 'stored' ? 'expired' : 'open';
}

/** Why a dead letter cannot be retried, in a sentence; null when it can. */
export function obstacleOf(letter: DeadLetter): string | null {
  const { dismissed_at, dismissed_by } = letter.stage;
  if (dismissed_at) return `It was dismissed by ${dismissed_by} at ${dismissed_at.toISOString()}`;
  return letterState(letter) === 'expired' ? audioGone(letter.row) : null;
}

export function audioGone({ audio_deleted_at }: Upload): string {
  const when = audio_deleted_at ? ` since ${audio_deleted_at.toISOString()}` : '';
  return `Its audio is gone${when}, so it cannot be tried again; the answer has to be recorded again`;
}

/**
 * The rows that have a dead letter which is not dismissed.
 *
 * @param state only open ones, or only expired ones
 * @param until failed at or before
 * @returns null when there can be none
 */
export function letterRows(
  filter: LetterFilter,
  state?: 'open' | 'expired',
  until?: Date,
): mongo.Filter<Upload> | null {
  const { stage, code, user_id, session_id, since } = filter;
  const failedAt = { ...(since ? { $gte: since } : {}), ...(until ? { $lte: until } : {}) };
  const names = (stage ? [stage] : STAGES).filter((name) => state !== 'expired' || needsBytes(name));
  if (names.length === 0) return null;
  return {
    state: 'committed',
    ...(user_id ? { user_id } : {}),
    ...(session_id ? { session_id } : {}),
    $or: names.map((name) => ({
      ...stageIn(name, 'failed'),
      [stagePath(name, 'dismissed_at')]: { $exists: false },
      ...(code ? { [stagePath(name, 'error.code')]: code } : {}),
      ...(since || until ? { [stagePath(name, 'finished_at')]: failedAt } : {}),
      ...(state && needsBytes(name) ? { audio_state: state === 'open' ? 'stored' : { $ne: 'stored' } } : {}),
    })),
  };
}
