import type { Criterion, CriterionName, ScoringRequest } from './scorer.js';

/** Share of each criterion in the score of a spoken answer; they add up to 1. */
export const CRITERION_WEIGHTS: Readonly<Record<CriterionName, number>> = Object.freeze({
  relevance: 0.35,
  structure: 0.2,
  specificity: 0.2,
  depth: 0.15,
  delivery: 0.1,
});

/** An answer of fewer words says too little to be judged fairly. */
export const FEWEST_WORDS = 12;

const words = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Words in a text, in any script: Chinese, Japanese and Thai have them too, without spaces. */
export function countWords(text: string): number {
  let count = 0;
  for (const piece of words.segment(text)) if (piece.isWordLike) count += 1;
  return count;
}

/** Characters in which enough words are found, if there are any; segmenting all of a long text takes 100 ms. */
const SEEN = 2000;

/** Why an answer cannot be scored, as a sentence for the candidate; null when there is enough to go by. */
export function tooLittleSpeech(transcript: string): string | null {
  const count = countWords(transcript.slice(0, SEEN));
  if (count === 0) return 'No speech was found in this answer, so there is nothing to score.';
  if (count >= FEWEST_WORDS) return null;
  const said = count === 1 ? 'only one word' : `only ${count} words`;
  return `This answer has ${said}; at least ${FEWEST_WORDS} are needed for a score.`;
}

/** Weights of the criteria that an answer of this kind is scored by, adding up to 1: what is written has no delivery. */
export function weightsFor(source: ScoringRequest['source']): Partial<Record<CriterionName, number>> {
  if (source === 'audio') return { ...CRITERION_WEIGHTS };
  const { delivery, ...written } = CRITERION_WEIGHTS;
  // Four decimals, so that clients show no 0.38888888888888884; the rounded weights still add up to 1.
  const entries = Object.entries(written).map(([name, weight]) => [name, round(weight / (1 - delivery), 4)]);
  return Object.fromEntries(entries) as Partial<Record<CriterionName, number>>;
}

/** The weighted mean of the criteria, 0 to 100 with one decimal; 0 when there are none. */
export function totalScore(criteria: readonly Pick<Criterion, 'score' | 'weight'>[]): number {
  const weight = criteria.reduce((sum, criterion) => sum + criterion.weight, 0);
  if (weight === 0) return 0;
  const mean = criteria.reduce((sum, criterion) => sum + criterion.score * criterion.weight, 0) / weight;
  return round(Math.min(100, Math.max(0, mean)), 1);
}

function round(value: number, decimals: number): number {
  const factor = 10 ** decimals;
  return Math.round((value + Number.EPSILON) * factor) / factor;
}
