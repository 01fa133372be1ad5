import { isPast } from './form.js';
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

/** Asks for a story, wherever it stands in the question; what somebody did is asked for by `asksForDeeds` too. */
const STORY = new RegExp(
  [
    String.raw`(?<!\bwhat (?:can|could|do) you )\btell (?:me|us) about (?!your(?:self| strength| weakness| background| career| hobb| goal| current)|how\b|what\b|why\b)`,
    String.raw`\bshare an?\b`,
    String.raw`(?<!\bhow (?:would|do|will|should|can) you )\bdescribe an? (?!typical)`,
    String.raw`\b(?:recall|remember|think of) (?:an?|one|the last)\b`,
    String.raw`\b(?:an?|one|any) (?:time|moment|occasion) (?:(?:when|where|that|at which|on which) )?you\b`,
    String.raw`\bhave you ever\b|\bdid you (?:ever|have)\b|\b(?:what|how|when) did you\b|\bwhen (?:was|were) (?:the|you)\b`,
    String.raw`\bwhat (?:was|were) your (?:last|first|best|worst|hardest|biggest|greatest|most)\b`,
    String.raw`\bmost (?:challenging|difficult|proud)\b|\bproudest\b|\bbiggest (?:achievement|accomplishment|failure|success|mistake)\b`,
    String.raw`(?<!\bin )\byour experiences? (?:with|of|in|as|working)\b`,
  ].join('|'),
);

/** Asks for a story, unless something is to be explained and the example only to go with it. */
const EXAMPLE = /\bexamples? of\b/;
/** An example for somebody, or of somebody or some time, is lived through; one of a thing alone is thought of. */
const LIVED = /\b(?:me|us|your?|someone|somebody|person|people|when|time)\b/;
const EXPLAINED = /\b(?:explain|define|what(?: is| are| does|'s)|(?:how|why) (?:does|is|are))\b/;

/** Asks how one does something. "What would you say was …" asks for that which was, and so does "how would you describe a time when you …". */
const WAY =
  /\b(?:how (?:would|do|will|should|can) (?:you|one|we)|what (?:would|do|will) you)\b(?! (?:say (?:is|was|are|were)|call|consider|regard|see as|describe)\b)|\bhow you (?:would|will|should|can|do)\b/;

const REST: readonly (readonly [QuestionKind, RegExp])[] = [
  [
    'personal',
    /\b(?:about yourself|your (?:greatest|biggest|main|own|career|current|strengths?|weakness(?:es)?|hobbies|motivation|goals?|salary|dream|background)|why (?:(?:do|did|are|have|should|would) )?(?:you|we)|where do you see|what (?:motivates|drives|interests|keeps|got) you|what (?:are|is) your|who (?:are|inspires) you|are you (?:an?|\w+ed)\b)/,
  ],
  [
    'approach',
    /\b(?:how (?:would|do|will|should|can) (?:you|one|we)|what (?:would|do|will) you|walk (?:me|us) through|how to)\b/,
  ],
];

/** What follows these is thought up: "if you found …", "imagine you were asked …". */
const THOUGHT_UP = new Set('if unless whether imagine suppose assume pretend say'.split(' '));
/** May stand between "you" and its verb. */
const BETWEEN = new Set('have ever once recently personally yourself really never also'.split(' '));
/** Their past is no other word than their present. */
const SAME_IN_PAST = new Set('put cut set hit shut split'.split(' '));
/** What follows "you" after these tells how somebody is, or what is given: "are you interested", "gives you outdated plans". */
const NO_SUBJECT_AFTER = new Set(
  `are were be been give gives gave given send sends sent hands handed shows showed shown leave leaves left
  get gets got keep keeps kept make makes made`.split(/\s+/),
);
/** Asks what somebody is like first, and for what came of it only then. */
const LIKENESS_FIRST = /\bwhat (?:are|is) your (?:[^ .]+ ){1,3}and\b/;

/** Where a question first speaks of what somebody did, "the hardest bug you fixed"; "You found a bug." only sets a scene. Infinity if nowhere. */
function asksForDeeds(clauses: readonly (readonly string[])[]): number {
  let begins = 0;
  for (const words of clauses) {
    let at = begins;
    for (const [index, word] of words.entries()) {
      if ((word === 'you' || word === "you've") && index > 0 && !isOutOfQuestion(words, index)) {
        const verb = words.slice(index + 1, index + 4).find((next) => !BETWEEN.has(next)) ?? '';
        if (isPast(verb) && !SAME_IN_PAST.has(verb)) return at;
      }
      at += word.length + 1;
    }
    begins = at + CLAUSE_END.length;
  }
  return Infinity;
}

/** No deed of "you" is asked for here: it is thought up, only said of "you", or a reason is asked for, "why have you …". */
function isOutOfQuestion(words: readonly string[], at: number): boolean {
  const [first, before] = [words[at - 2] ?? '', words[at - 1] ?? ''];
  return (
    THOUGHT_UP.has(before === 'that' ? first : before) ||
    NO_SUBJECT_AFTER.has(before) ||
    before === 'why' ||
    first === 'why'
  );
}

const CLAUSE_END = '. ';

/** The form that comes first tells what is asked for: "how do you handle a situation where …" is no story, "a bug you fixed; how would you …" is one. */
function kindOf(text: string): QuestionKind {
  const clauses = text.split(/[.?!:;]\s/).map((clause) => tokenize(clause).map(plain));
  const lower = clauses.map((words) => words.map((word) => `${word} `).join('')).join(CLAUSE_END);
  const first = (pattern: RegExp) => pattern.exec(lower)?.index ?? Infinity;
  const example = EXPLAINED.test(lower) || !LIVED.test(lower) ? Infinity : first(EXAMPLE);
  const deeds = LIKENESS_FIRST.test(lower) ? Infinity : asksForDeeds(clauses);
  const story = Math.min(first(STORY), example, deeds);
  const way = first(WAY);
  if (story < way) return 'experience';
  if (way < Infinity) return 'approach';
  return REST.find(([, pattern]) => pattern.test(lower))?.[0] ?? 'knowledge';
}

/** Words that ask instead of naming what is asked about. */
const asking = new Set(
  `time situation example instance occasion tell describe explain give share talk walk question moment case did what which biggest
  greatest most best main important ever difference would someone something make sure kind deal handle react cope received advantage disadvantage
  advantages disadvantages style way approach`.split(/\s+/),
);

/** Reads a question: what kind of answer it asks for, and about what. */
export function readQuestion(text: string): Question {
  const words = tokenize(text).map(plain);
  const telling = words.filter((word) => !asking.has(word) && !isGrammar(word));
  const concepts = new Map(telling.map((word) => [stemOf(word), word]));
  return {
    text,
    kind: kindOf(text),
    concepts: [...concepts].filter(([stem]) => !isEveryday(stem)).map(([stem, word]) => ({ word, stem })),
    tells: concepts.size > 0,
  };
}
