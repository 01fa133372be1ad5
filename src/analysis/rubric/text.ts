import { FUNCTION_WORDS, isEveryday, plain, stemOf, tokenize } from './words.js';

/** One sentence of an answer, read once: everything the criteria look at. */
export interface Sentence {
  /** As it stands in the transcript. */
  text: string;
  /** Every word, lower case. */
  words: string[];
  /** Every word's stem, in order. */
  stems: string[];
  /** Stems that carry content: neither grammar nor what every interview says. */
  content: string[];
  /** Words as written, for names and numbers. */
  tokens: string[];
}

/** Speech without full stops is read in stretches of so many words. */
const LONGEST_SENTENCE = 60;
const UNPUNCTUATED_STRETCH = 30;

/** Where a sentence may end; a full stop inside a number or name has no space after it. */
const sentenceEnd = /(?<=[.?!…])\s+|\n+/gu;

/** Characters that are looked at before and after a full stop; longer words are no abbreviations. */
const SHORT = 12;
const lastWord = /(?:^|[\s("'“‘[/-])([\p{L}.]+)\.$/u;
/** Never the last word of a sentence. */
const BEFORE_NAMES = new Set('dr mr mrs ms mx prof st mt rev hon gen col capt sgt lt e.g i.e vs cf viz'.split(' '));
/** Abbreviations before a number only: "No. 5", but "No. I did not". */
const BEFORE_NUMBERS = new Set(
  'no nos nr fig figs vol ch sec p pp approx jan feb mar apr jun jul aug sep sept oct nov dec'.split(' '),
);
/** They end a sentence as often as not, and so do "U.S." and the initial of a name: a grammar word in capitals begins the next one. */
const EITHER_WAY = new Set('etc al inc ltd co corp jr sr dept approx incl excl resp avg'.split(' '));
const initials = /^(?!I$)\p{Lu}$|^(?:\p{L}\.)+\p{L}$/u;

/**
 * Whether the full stop at the end of `before` ends its sentence, and `after` begins another. A small letter goes on with the sentence after
 * abbreviations only: many write no capitals, and what is said again must be seen in their answers too.
 */
function endsAfter(before: string, after: string): boolean {
  const written = lastWord.exec(before)?.[1];
  if (written === undefined) return true;
  const word = written.toLowerCase();
  if (BEFORE_NAMES.has(word)) return false;
  if (BEFORE_NUMBERS.has(word) && /^\p{N}/u.test(after)) return false;
  if (!EITHER_WAY.has(word) && !initials.test(written)) return true;
  const next = /^[\p{L}'’]+/u.exec(after)?.[0];
  return next === undefined || (/^\p{Lu}/u.test(next) && isGrammar(plain(next)));
}

/** The parts of a text between the ends of its sentences. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { index: at, 0: space } of text.matchAll(sentenceEnd)) {
    const next = at + space.length;
    const ends = endsAfter(text.slice(Math.max(from, at - SHORT), at), text.slice(next, next + SHORT));
    if (!ends && !space.includes('\n')) continue;
    parts.push(text.slice(from, at));
    from = next;
  }
  parts.push(text.slice(from));
  return parts;
}

/** Cuts a text at the ends of its sentences; a stretch without any is cut by its length. Linear in the text. */
export function splitSentences(text: string): string[] {
  return partsOf(text).flatMap((part) => {
    const trimmed = part.trim();
    if (!trimmed) return [];
    const words = trimmed.split(/\s+/);
    if (words.length <= LONGEST_SENTENCE) return [trimmed];
    const stretches: string[] = [];
    for (let at = 0; at < words.length; at += UNPUNCTUATED_STRETCH) {
      stretches.push(words.slice(at, at + UNPUNCTUATED_STRETCH).join(' '));
    }
    return stretches;
  });
}

export function readSentence(text: string): Sentence {
  const tokens = tokenize(text);
  const words = tokens.map(plain);
  const stems = words.map(stemOf);
  const content = stems.filter((stem, at) => !isGrammar(words[at] ?? '') && !isEveryday(stem));
  return { text, words, stems, content, tokens };
}

/** Sentences between two turns of the event loop: under a millisecond of work. */
const SENTENCES_AT_ONCE = 100;

/** Reads a text sentence by sentence, and lets others have the event loop in between. */
export async function readText(text: string): Promise<Sentence[]> {
  const sentences: Sentence[] = [];
  for (const sentence of splitSentences(text)) {
    sentences.push(readSentence(sentence));
    if (sentences.length % SENTENCES_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return sentences.filter((sentence) => sentence.words.length > 0);
}

export function isGrammar(word: string): boolean {
  return FUNCTION_WORDS.has(word);
}

/** 0 at none, 1 at `full` and more. */
export function upTo(full: number, value: number): number {
  return Math.min(1, Math.max(0, value / full));
}

export function toScore(share: number): number {
  return Math.round(100 * Math.min(1, Math.max(0, share)));
}
