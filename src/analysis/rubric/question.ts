import { isGrammar } from './text.js';
import { isEveryday, plain, stemOf, tokenize } from './words.js';

/**
 * What kind of answer a question asks for: `experience` a story of the past, `approach` how one would do or does something,
 * `knowledge` an explanation, `personal` something about oneself.
 */
export type QuestionKind = 'experience' | 'approach' | 'knowledge' | 'personal';

/** A word that a question is about. */
export interface Concept {
  /** As the question has it. */
  word: string;
  stem: string;
}

export interface Question {
  text: string;
  kind: QuestionKind;
  /** The words it is about, apart from those of every interview; of a question of everyday words there are none. */
  concepts: readonly Concept[];
  /** False where it holds nothing but grammar and words that ask: nothing can be compared with it then. */
  tells: boolean;
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

/** Reads a question: what kind of answer it asks for, and about what. */
export function readQuestion(text: string): Question {
  const words = tokenize(text).map(plain);
  const lower = words.join(' ');
  const kind = kinds.find(([, pattern]) => pattern.test(lower))?.[0] ?? 'knowledge';
  const telling = words.filter((word) => !asking.has(word) && !isGrammar(word));
  const concepts = new Map(telling.map((word) => [stemOf(word), word]));
  return {
    text,
    kind,
    concepts: [...concepts].filter(([stem]) => !isEveryday(stem)).map(([stem, word]) => ({ word, stem })),
    tells: concepts.size > 0,
  };
}
