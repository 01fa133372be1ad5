import { type Finding, listed, strongest } from './criterion.js';
import { fieldsOf } from './fields.js';
import { narratedShare } from './form.js';
import { coverage, type ModelPoints } from './model-answer.js';
import type { Concept, Question } from './question.js';
import { type Sentence, toScore, upTo } from './text.js';
import { emptyShare } from './vague.js';
import { isEveryday } from './words.js';

/** Below this relevance too little of the question is found in an answer, and its other criteria are held back. */
export const OFF_TOPIC = 42;

/** A term of the answer that belongs to fields. */
interface Term {
  fields: readonly string[];
  /** How much it tells, 0 to 1. */
  worth: number;
}

/** What an answer speaks of. */
export interface Topics {
  /** Stems, and pairs of them joined by `_`. */
  stems: ReadonlySet<string>;
  /** Those that belong to fields, each once. */
  terms: readonly Term[];
}

/** How fast a word's worth falls with the number of fields it belongs to: the power of that number. */
const SHARED_TERM = 0.5;
/** Words such as "ask" and "tell" belong to a field, and to every interview too. */
const EVERYDAY_WORTH = 0.4;

function termsOf(sentence: Sentence): string[] {
  return sentence.stems.flatMap((stem, at) => [stem, `${stem}_${sentence.stems[at + 1] ?? ''}`]);
}

export function topicsOf(sentences: readonly Sentence[]): Topics {
  const stems = new Set(sentences.flatMap(termsOf));
  const terms: Term[] = [];
  for (const stem of stems) {
    const fields = fieldsOf(stem);
    if (fields.length === 0) continue;
    terms.push({ fields, worth: (isEveryday(stem) ? EVERYDAY_WORTH : 1) / fields.length ** SHARED_TERM });
  }
  return { stems, terms };
}

/** Different words of its fields at which an answer clearly speaks of a concept. */
const FIELD_WORDS = 4;
/** Words of a field that any answer holds by chance. */
const CHANCE_WORDS = 1.1;
/** A very short answer must still speak of a concept with this share of those words. */
const FEWEST_SHARE = 0.8;
/** How fast that number rises with the number of fields: its power. */
const WIDTH = 0.4;
/** Words of any field in an answer of usual length. */
const USUAL_TERMS = 25;
/** Part of a concept that its own word earns; the rest takes speaking about it. */
const OWN_WORD = 0.45;
/** Most that speaking about a concept earns without its word. */
const UNNAMED = 0.8;

/** How much an answer speaks of one of a question's concepts, 0 to 1. */
function spokenOf({ stem, fields }: Concept, { stems, terms }: Topics): number {
  const named = stems.has(stem);
  if (fields.length === 0) return named ? 1 : 0;
  const shares = new Map(fields.map(({ name, share }) => [name, share]));
  let words = 0;
  for (const term of terms) words += term.worth * Math.max(...term.fields.map((field) => shares.get(field) ?? 0));
  // Long answers touch many fields, and wide concepts are touched by many answers; what counts is that these stand out.
  const width = [...shares.values()].reduce((sum, share) => sum + share, 0) ** WIDTH;
  const bar = FIELD_WORDS * width * Math.max(FEWEST_SHARE, Math.sqrt(terms.length / USUAL_TERMS));
  const spoken = upTo(bar - CHANCE_WORDS, words - CHANCE_WORDS);
  return named ? OWN_WORD + (1 - OWN_WORD) * spoken : UNNAMED * spoken;
}

/** An answer in another form than the question asks for is seldom to the question. */
function formFit(question: Question, sentences: readonly Sentence[]): number {
  const narrated = narratedShare(sentences);
  if (question.kind === 'experience') return 0.5 + 0.5 * upTo(0.35, narrated);
  if (question.kind === 'personal') {
    const self = sentences.filter(({ words }) => words.some((word) => /^(?:i|my|me|i'm|i've|i'd)$/.test(word))).length;
    return 0.3 + 0.7 * upTo(0.4, self / Math.max(1, sentences.length));
  }
  return 1 - 0.6 * upTo(0.4, narrated - 0.5);
}

/** Different content words from which on an answer says enough to be on anything. */
const SUBSTANCE = 9;
/** Share of fillers and vague words at which an answer says nothing, whatever it mentions; clear speech stays under 5 %. */
const EMPTY = { clear: 0.08, nothing: 0.28 };

function substanceOf(sentences: readonly Sentence[]): number {
  const content = new Set(sentences.flatMap((sentence) => sentence.content)).size;
  return upTo(SUBSTANCE, content) * (1 - 0.8 * upTo(EMPTY.nothing - EMPTY.clear, emptyShare(sentences) - EMPTY.clear));
}

/** What an answer to anything meets of a question by chance, and what a full answer does. */
const MET = { chance: 0.06, full: 0.48 };
/** A question that nothing can be read from leaves the answer's form to judge by. */
const UNREADABLE = 0.5;

/** Weight of a word that no field knows, beside words that one does. */
const UNKNOWN_WORD = 0.3;

/** A concept and how much of it is met, 0 to 1. */
type Weighed = Concept & { met: number };

/** How much of a question is met, 0 to 1: the weighted mean of its concepts, drawn down by the one that is met least. */
function metOf(concepts: readonly Weighed[]): number {
  // Of a word without a field no other words are known: where the question has better ones, its absence says little.
  const known = concepts.some(({ weight, fields }) => weight >= 0.5 && fields.length > 0);
  const weightOf = (concept: Weighed) => concept.weight * (known && concept.fields.length === 0 ? UNKNOWN_WORD : 1);
  const weight = concepts.reduce((sum, concept) => sum + weightOf(concept), 0);
  if (weight === 0) return UNREADABLE;
  const mean = concepts.reduce((sum, concept) => sum + weightOf(concept) * concept.met, 0) / weight;
  const main = concepts.filter((concept) => weightOf(concept) === 1).map((concept) => concept.met);
  return main.length > 0 ? 0.8 * mean + 0.2 * Math.min(...main) : mean;
}

/** How far an answer is to the question, and to the model answer's points where there are any. */
export function judgeRelevance(
  sentences: readonly Sentence[],
  question: Question,
  points: ModelPoints | null,
): Finding {
  const topics = topicsOf(sentences);
  const substance = substanceOf(sentences);
  const concepts = question.concepts.map((concept) => ({ ...concept, met: spokenOf(concept, topics) }));
  const onQuestion =
    upTo(MET.full - MET.chance, metOf(concepts) - MET.chance) *
    formFit(question, sentences) *
    (0.25 + 0.75 * substance);
  const covered = points ? coverage(points, topics.stems) : null;
  const score = toScore(covered ? 0.4 * onQuestion + 0.6 * covered.share : onQuestion);

  const wanted = new Set(concepts.flatMap((concept) => concept.fields.map(({ name }) => name)));
  const stems = new Set([...concepts.map((concept) => concept.stem), ...(points?.stems ?? [])]);
  const rests = strongest(
    sentences,
    (sentence) =>
      new Set(sentence.stems.filter((stem) => stems.has(stem) || fieldsOf(stem).some((field) => wanted.has(field))))
        .size,
  );
  const missed = concepts.filter((concept) => concept.met < 0.4 && concept.weight === 1).map((concept) => concept.word);
  const found = concepts.filter((concept) => concept.met >= 0.4 && concept.weight === 1).map((concept) => concept.word);
  return { score, reason: reasonOf(score, found, missed, covered), rests, advice: adviceOf(score, missed, covered) };
}

type Covered = ReturnType<typeof coverage> | null;

function quoted(words: readonly string[]): string {
  return listed(words.slice(0, 3).map((word) => `“${word}”`));
}

function reasonOf(score: number, found: readonly string[], missed: readonly string[], covered: Covered): string {
  const points = covered ? `; it makes ${covered.made} of the ${covered.all} points of the model answer` : '';
  if (score >= 70) {
    return `The answer stays with the question${found.length > 0 ? ` and speaks about ${quoted(found)}` : ''}${points}.`;
  }
  if (score >= OFF_TOPIC) {
    const rest = missed.length > 0 ? `, but says little about ${quoted(missed)}` : ', but only in part';
    return `The answer is on the question${rest}${points}.`;
  }
  const asked = missed.length > 0 ? `: hardly any of its words have to do with ${quoted(missed)}` : '';
  return `Little of the question is found in this answer${asked}${points}.`;
}

function adviceOf(score: number, missed: readonly string[], covered: Covered): string[] {
  const advice: string[] = [];
  // What the interviewer hopes to hear is better advice than the question's words.
  const point = covered?.missed[0];
  if (point) advice.push(`Cover this point, which the model answer makes: “${shortened(point)}”`);
  if (score < OFF_TOPIC) {
    const asked = missed.length > 0 ? ` (${quoted(missed)})` : '';
    advice.push(`Answer what was asked${asked}: say in your first sentence how your answer belongs to the question.`);
  } else if (score < 70 && missed.length > 0) {
    advice.push(`Say more about ${quoted(missed)}, which the question asks for.`);
  }
  return advice;
}

function shortened(text: string): string {
  return text.length <= 140 ? text : `${text.slice(0, 140).replace(/\s+\S*$/, '')} …`;
}
