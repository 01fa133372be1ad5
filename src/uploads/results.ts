/* What the stages write on a ledger row: the words that engines, ledger and answers share. */

/** A stretch of speech; times in seconds from the start of the audio. */
export interface Segment {
  start: number;
  end: number;
  text: string;
}

export interface Transcript {
  /** Empty when no speech was found. */
  text: string;
  segments: Segment[];
  /** ISO 639-1 as given or detected, null if unknown. */
  language: string | null;
  /** Length of the audio in seconds, null if the engine cannot tell. */
  duration: number | null;
  /** Engine and version that wrote it, e.g. `local/moonshine-tiny-0.1.29/2`. */
  transcriber: string;
}

/** A place in the answer that a criterion's score rests on; `start` and `end` in seconds, null for text answers. */
export interface Evidence {
  quote: string;
  start: number | null;
  end: number | null;
}

export type CriterionName = 'relevance' | 'structure' | 'specificity' | 'depth' | 'delivery';

export interface Criterion {
  name: CriterionName;
  /** 0 to 100. */
  score: number;
  /** Share of the total; the weights of an answer's criteria add up to 1. */
  weight: number;
  /** One sentence: why this score. */
  reason: string;
  /** At least one. */
  evidence: Evidence[];
}

export interface Score {
  /** 0 to 100, one decimal; null when not scorable. */
  score: number | null;
  /** Why there is no score, in a sentence; null when there is one. */
  notScorable: string | null;
  criteria: Criterion[];
  /** Sentences the candidate can act on. */
  feedback: string[];
  /** The model answer given, or one written by the engine; null if there is none. */
  modelAnswer: string | null;
  /** Engine and version, e.g. `rubric/2`. */
  scorer: string;
}
