import { narratedShare } from './form.js';
import { coverage, type Coverage, type ModelAnswer } from './model-answer.js';
import { likeness, profileOf } from './profile.js';
import type { Concept, Question } from './question.js';
import { type Sentence, upTo } from './text.js';
import { type Topics, topicsOf } from './topics.js';
import { emptyShare } from './vague.js';
import { isEveryday } from './words.js';

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
export type Weighed = Concept & { met: number };

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

/** What a word of every interview counts where texts share it, beside one that tells something. */
const EVERYDAY_SHARED = 0.2;
/** Longer answers share more words by chance: the sum is divided by this power of their different words, and some more. */
const LENGTH = { power: 0.3, more: 10 };

function weightOf(stem: string): number {
  return isEveryday(stem) ? EVERYDAY_SHARED : 1;
}

/** How much of what is wanted the answer says in the same words, each counted once. */
function sharedBy(answer: Topics, wanted: ReadonlySet<string>): number {
  let sum = 0;
  for (const stem of wanted) if (answer.spoken.has(stem)) sum += weightOf(stem);
  return sum / (answer.spoken.size + LENGTH.more) ** LENGTH.power;
}

/** Share of the words that tell something which the answer has, 0 to 1. */
function copiedShare(answer: Topics, wanted: ReadonlySet<string>): number {
  const telling = [...wanted].filter((stem) => !isEveryday(stem));
  return telling.length === 0 ? 0 : telling.filter((stem) => answer.spoken.has(stem)).length / telling.length;
}

/** What can be seen of how an answer bears on a question. */
export interface Signals {
  /** False where neither the question nor the model answer holds enough words of any field: all the rest is a guess then. */
  certain: boolean;
  /** How much the fields understand of a model answer, 0 to 1; 0 without one. */
  guided: number;
  /** The question's concepts, each with how much of it is met. */
  concepts: readonly Weighed[];
  /** How far the concepts are met, 0 to 1; chance is taken off. */
  asked: number;
  /** How well the answer's form is the one that the question asks for, 0 to 1. */
  form: number;
  /** How much is said at all, 0 to 1. */
  substance: number;
  /** Likeness of the fields spoken of to those of question and model answer, -1 to 1. */
  alike: number;
  /** Words shared with question and model answer, 0 to about 3. */
  shared: number;
  /** What of the model answer is said, in these words or others; null where there is none. */
  covered: Coverage | null;
  /** Share of the model answer's telling words that the answer has, 0 to 1. */
  copied: number;
}

/** In the fields that are wanted, the question counts so much beside a model answer. */
const QUESTION_SHARE = 2;

/** Words of fields, by their worth, of a model answer of three full sentences. */
const FULL_MODEL = 7;
/** Share of that from which on a model answer alone tells what is asked for. */
const TELLING = 0.4;

export function signalsOf(sentences: readonly Sentence[], question: Question, model: ModelAnswer | null): Signals {
  const topics = topicsOf(sentences);
  const concepts = question.concepts.map((concept) => ({ ...concept, met: spokenOf(concept, topics) }));
  const wanted: [Topics, number][] = [[question.topics, QUESTION_SHARE]];
  if (model) wanted.push([model.topics, 1]);
  const guided = model
    ? upTo(
        FULL_MODEL,
        model.topics.terms.reduce((sum, { worth }) => sum + worth, 0),
      )
    : 0;
  return {
    certain: question.understood || guided >= TELLING,
    guided,
    concepts,
    asked: upTo(MET.full - MET.chance, metOf(concepts) - MET.chance),
    form: formFit(question, sentences),
    substance: substanceOf(sentences),
    alike: likeness(profileOf([topics, 1]), profileOf(...wanted)),
    shared: sharedBy(topics, new Set(wanted.flatMap(([{ spoken }]) => [...spoken]))),
    covered: model && coverage(model, topics),
    copied: model ? copiedShare(topics, model.topics.spoken) : 0,
  };
}
