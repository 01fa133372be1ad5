import type { Sentence } from './text.js';

/** What one criterion found. */
export interface Finding {
  /** 0 to 100. */
  score: number;
  /** One sentence. */
  reason: string;
  /** The sentences that the score rests on, the strongest first; at least one. */
  rests: Sentence[];
  /** What the candidate could do about it, the most useful first; empty when there is nothing to say. */
  advice: string[];
}

/** `a, b and c`. */
export function listed(parts: readonly string[], word = 'and'): string {
  if (parts.length < 2) return parts[0] ?? '';
  return `${parts.slice(0, -1).join(', ')} ${word} ${parts.at(-1)}`;
}

/** The sentence with most of something; the first of equals. */
export function strongest(sentences: readonly Sentence[], worth: (sentence: Sentence) => number): Sentence[] {
  return sentences
    .map((sentence) => ({ sentence, worth: worth(sentence) }))
    .filter((entry) => entry.worth > 0)
    .sort((a, b) => b.worth - a.worth)
    .map((entry) => entry.sentence);
}

/** `1 reason`, `2 reasons`. */
export function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}
