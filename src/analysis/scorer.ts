import type { Criterion, CriterionName, Evidence, Score, Segment } from '../uploads/results.js';

export type { Criterion, CriterionName, Evidence, Score, Segment };

export interface ScoringRequest {
  question: string;
  /** The answer the interviewer would like, if one was given. */
  modelAnswer: string | null;
  /** The job the interview is for, e.g. "Backend engineer". */
  role: string | null;
  transcript: string;
  /** Empty for text answers. */
  segments: Segment[];
  /** Seconds of audio; null for text answers. */
  duration: number | null;
  /** Text answers are scored without the delivery criterion. */
  source: 'audio' | 'text';
  /** ISO 639-1 of the answer, null if unknown. */
  language: string | null;
  signal: AbortSignal;
}

/**
 * Port: scores one answer and says why.
 *
 * Throws `PermanentError` for what can never succeed and `TransientError` for what may pass.
 */
export abstract class Scorer {
  /** Engine and version. */
  abstract readonly id: string;
  abstract score(request: ScoringRequest): Promise<Score>;
  abstract close(): Promise<void>;
}
