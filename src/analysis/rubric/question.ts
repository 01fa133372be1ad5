import { fieldsOf, namesField } from './fields.js';
import { isGrammar, readSentence } from './text.js';
import { type Topics, topicsOf } from './topics.js';
import { isEveryday, plain, stemOf, tokenize } from './words.js';

/**
 * What kind of answer a question asks for: `experience` a story of the past, `approach` how one would do or does something,
 * `knowledge` an explanation, `personal` something about oneself.
 */
export type QuestionKind = 'experience' | 'approach' | 'knowledge' | 'personal';

/** A word of the question that the answer should speak to. */
export interface Concept {
  /** As the question has it. */
  word: string;
  stem: string;
  /** How much of the question rests on it; everyday words weigh little. */
  weight: number;
  /** Its semantic fields, each with how likely the word is meant in it, 0 to 1. */
  fields: readonly { name: string; share: number }[];
}

export interface Question {
  kind: QuestionKind;
  concepts: Concept[];
  /** True where at least one word that it is about belongs to a field: without, whether an answer is to it can only be guessed. */
  understood: boolean;
  /** All that it speaks of. */
  topics: Topics;
}

const kinds: readonly (readonly [QuestionKind, RegExp])[] = [
  [
    'experience',
    /\b(?:tell (?:me|us) about (?!your(?:self| strength| weakness| background| career| hobb| goal| current))|share an? |describe an? (?!typical)|(?:a|one|any) (?:time|situation|moment|occasion|case)\b|have you ever|when did you|when (?:was|were) (?:the|you)|example of (?:when|a time|how you|something you)|what did you do|how did you|did you (?:ever|have)|most (?:challenging|difficult|proud)|proudest|biggest (?:achievement|accomplishment|failure|success|mistake))/,
  ],
  [
    'personal',
    /\b(?:about yourself|your (?:greatest|biggest|main|own|career|current|strengths?|weakness(?:es)?|hobbies|motivation|goals?|salary|dream|background)|why (?:do|did|are|should|would) (?:you|we)|where do you see|what (?:motivates|drives|interests) you|what (?:are|is) your|who (?:are|inspires) you|are you (?:a|an)\b)/,
  ],
  [
    'approach',
    /\b(?:how (?:would|do|will|should|can) (?:you|one|we)|what (?:would|do|will) you|walk (?:me|us) through|how to)\b/,
  ],
];

/** Words that ask instead of naming what is asked about. */
const asking = new Set(
  `time situation example instance occasion tell describe explain give share talk walk question moment case did what which biggest
  greatest most best main important ever difference would someone something make sure kind deal handle react cope received advantage disadvantage
  advantages disadvantages style way approach`.split(/\s+/),
);

/** What a field counts that fewer of the question's words share than another. */
const LESS_SHARED = 0.6;
/** What a field counts that the word does not name, but is mentioned with. */
const MENTIONED = 0.5;

function asFields(stem: string, names: readonly string[]): Concept['fields'] {
  return names.map((name) => ({ name, share: namesField(stem, name) ? 1 : MENTIONED }));
}

/** Everyday words of no field, everyday words of one, and how something was done instead of what. */
const WEIGHT = { everyday: 0.2, everydayOfField: 0.5, manner: 0.3 };

function weightOf(word: string, stem: string): number {
  if (word.length > 5 && word.endsWith('ly')) return WEIGHT.manner;
  if (!isEveryday(stem)) return 1;
  return fieldsOf(stem).length > 0 ? WEIGHT.everydayOfField : WEIGHT.everyday;
}

/** What a question is taken to be about, apart from its words, where no field knows any of them and it asks for no explanation. */
const dealingWithPeople: Concept = {
  word: 'dealing with people',
  stem: 'dealing with people',
  weight: 1,
  fields: ['communication', 'emotion', 'support', 'conflict', 'feedback'].map((name) => ({ name, share: 1 })),
};

/** Reads a question: what kind of answer it asks for, and about what. */
export function readQuestion(text: string): Question {
  const words = tokenize(text).map(plain);
  const lower = words.join(' ');
  const kind = kinds.find(([, pattern]) => pattern.test(lower))?.[0] ?? 'knowledge';
  const concepts = new Map<string, Concept>();
  for (const word of words) {
    const stem = stemOf(word);
    if (asking.has(word) || isGrammar(word) || concepts.has(stem)) continue;
    concepts.set(stem, { word, stem, weight: weightOf(word, stem), fields: asFields(stem, fieldsOf(stem)) });
  }
  addPairs(words, concepts);
  const read = settled([...concepts.values()]);
  const understood = read.some(({ weight, fields }) => weight >= WEIGHT.everydayOfField && fields.length > 0);
  const topics = topicsOf([readSentence(text)]);
  const all = understood || kind === 'knowledge' ? read : [...read, dealingWithPeople];
  return { kind, concepts: all, understood, topics };
}

/**
 * A word of several fields is read in the one that the question's other words share: "process" beside "thread" is computing. Fields of
 * fewer of its words stay, for less.
 */
function settled(concepts: readonly Concept[]): Concept[] {
  const support = new Map<string, number>();
  for (const { name, share } of concepts.flatMap(({ fields }) => fields))
    support.set(name, (support.get(name) ?? 0) + share);
  return concepts.map((concept) => {
    const most = Math.max(0, ...concept.fields.map(({ name }) => support.get(name) ?? 0));
    const fields = concept.fields.map(({ name, share }) => {
      return { name, share: support.get(name) === most ? 1 : share * LESS_SHARED };
    });
    return { ...concept, fields };
  });
}

/** Two words that name a field together, such as "machine learning", say more than each alone: they take the place of both. */
function addPairs(words: readonly string[], concepts: Map<string, Concept>): void {
  for (let at = 0; at + 1 < words.length; at++) {
    const parts = [stemOf(words[at] ?? ''), stemOf(words[at + 1] ?? '')];
    const stem = parts.join('_');
    const fields = fieldsOf(stem);
    const asks = asking.has(words[at] ?? '') || asking.has(words[at + 1] ?? '');
    if (fields.length === 0 || asks) continue;
    const weight = Math.max(WEIGHT.everydayOfField, ...parts.map((part) => concepts.get(part)?.weight ?? 0));
    for (const part of parts) concepts.delete(part);
    concepts.set(stem, { word: `${words[at]} ${words[at + 1]}`, stem, weight, fields: asFields(stem, fields) });
  }
}
