import type { Criterion, CriterionName } from '../scorer.js';
import type { Cleaned, Discount } from './cleaning.js';
import type { Finding } from './criterion.js';

const FEWEST = 2;
const MOST = 5;

const discounts: Readonly<Record<Discount, string>> = {
  'addressed to the grader': 'Leave out sentences about your own score: they are not counted.',
  'said before': 'Say each thing once: repeated sentences are not counted.',
  'the question read out': 'Do not read the question out: only what you answer is counted.',
  'keywords without a sentence': 'Speak in sentences: keywords in a row are not counted.',
};

const strengths: Readonly<Record<CriterionName, string>> = {
  relevance: 'Keep staying as close to the question as you did here.',
  structure: 'Keep this order of parts: it is easy to follow.',
  specificity: 'Keep the numbers, names and own actions: they make the answer believable.',
  depth: 'Keep giving your reasons: they show how you think.',
  delivery: 'Keep speaking at this pace.',
};

/** Two to five sentences: what would add most to the score first, at most two of each criterion, then what to keep. */
export function feedbackOf(
  findings: Partial<Record<CriterionName, Finding>>,
  criteria: readonly Criterion[],
  { dropped }: Cleaned,
): string[] {
  const byLoss = [...criteria].sort((a, b) => b.weight * (100 - b.score) - a.weight * (100 - a.score));
  const advice = (at: number) =>
    byLoss.flatMap(({ name, score }) => (score >= 90 ? [] : (findings[name]?.advice[at] ?? [])));
  const gaming = [...new Set(dropped.map(({ why }) => why))].map((why) => discounts[why]);
  const feedback = [...new Set([...gaming, ...advice(0), ...advice(1)])].slice(0, MOST - 1);
  const best = [...criteria].sort((a, b) => b.score - a.score);
  for (const { name, score } of best) {
    // Who is told to slow down is not to keep this pace as well.
    if (findings[name]?.advice.some((sentence) => feedback.includes(sentence))) continue;
    if (feedback.length >= FEWEST && (score < 70 || feedback.some((sentence) => sentence.startsWith('Keep ')))) break;
    feedback.push(strengths[name]);
  }
  return feedback.slice(0, MOST);
}
