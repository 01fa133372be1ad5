import { findEvidence } from './evidence.js';
import { JUDGED, type JudgedName } from './openai-prompt.js';
import type { CriterionName, Evidence, ScoringRequest } from './scorer.js';

const MOST_EVIDENCE = 3;
const MOST_FEEDBACK = 6;
/** Characters of a model's answer; the longest of use is a few thousand. Some models fill an answer with white space without end. */
const LONGEST_ANSWER = 64 * 1024;

export interface Judged {
  name: CriterionName;
  score: number;
  reason: string;
  /** Only what the answer really says. */
  evidence: Evidence[];
}

/** The model's answer, checked. */
export interface Judgement {
  criteria: Judged[];
  feedback: string[];
  /** Empty when the model wrote none. */
  modelAnswer: string;
}

/** What can be used of an answer (null: nothing), and what is wrong with it. */
export interface Reading {
  judgement: Judgement | null;
  faults: string[];
}

type Fields = Record<string, unknown>;
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const sentence = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
const sentences = (value: unknown): string[] => (Array.isArray(value) ? value.map(sentence).filter(Boolean) : []);

function readCriterion(name: JudgedName, value: unknown, request: ScoringRequest, faults: string[]): Judged | null {
  const { score, reason, quotes } = fieldsOf(value);
  const why = sentence(reason);
  if (typeof score !== 'number' || !(score >= 0 && score <= 100)) {
    faults.push(`criteria.${name}.score: must be a number from 0 to 100`);
    return null;
  }
  if (!why) {
    faults.push(`criteria.${name}.reason: must be a sentence`);
    return null;
  }
  const found = sentences(quotes).flatMap((quote) => findEvidence(quote, request.transcript, request.segments) ?? []);
  const evidence = found.filter((one, at) => found.findIndex((other) => other.quote === one.quote) === at);
  if (evidence.length === 0)
    faults.push(`criteria.${name}.quotes: at least one must be copied word for word from "answer"`);
  return { name, score: Math.round(score * 10) / 10, reason: why, evidence: evidence.slice(0, MOST_EVIDENCE) };
}

/** Checks a model's answer against the schema and against what the candidate really said. */
export function readJudgement(content: string, request: ScoringRequest): Reading {
  let answer: Fields;
  try {
    if (content.length > LONGEST_ANSWER) throw new SyntaxError();
    answer = fieldsOf(JSON.parse(withoutFence(content.trim())));
  } catch {
    return { judgement: null, faults: ['it is not a JSON object'] };
  }
  const faults: string[] = [];
  const given = fieldsOf(answer['criteria']);
  const criteria = JUDGED.map((name) => readCriterion(name, given[name], request, faults));
  const feedback = sentences(answer['feedback']).slice(0, MOST_FEEDBACK);
  if (feedback.length === 0) faults.push('feedback: must be a list of sentences');
  const usable = criteria.filter((criterion) => criterion !== null);
  if (usable.length < JUDGED.length || feedback.length === 0) return { judgement: null, faults };
  return { judgement: { criteria: usable, feedback, modelAnswer: sentence(answer['model_answer']) }, faults };
}

/** Models without strict schemas like to wrap JSON in a code fence. */
function withoutFence(content: string): string {
  const fence = /^```(?:json)?/.exec(content)?.[0];
  if (fence === undefined) return content;
  return content.slice(fence.length, content.endsWith('```') ? -3 : undefined);
}

/**
 * Evidence for criteria whose quotes were never said: what another criterion rests on, else how the answer begins. The
 * score stands; only its quote was made up.
 */
export function withEvidence(criteria: readonly Judged[], request: ScoringRequest): Judged[] {
  const spare = criteria.find((criterion) => criterion.evidence.length > 0)?.evidence[0] ?? opening(request);
  return criteria.map((criterion) =>
    criterion.evidence.length > 0 || !spare ? criterion : { ...criterion, evidence: [spare] },
  );
}

function opening({ transcript, segments }: ScoringRequest): Evidence | null {
  const first = /^\s*(?:\S+\s*){1,12}/.exec(transcript)?.[0] ?? transcript;
  return findEvidence(first.slice(0, 200), transcript, segments) ?? findEvidence(transcript, transcript, segments);
}
