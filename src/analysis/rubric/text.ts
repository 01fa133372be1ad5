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

/** Abbreviations are rare in transcripts; a full stop inside a number or name has no space after it. */
const sentenceEnd = /(?<=[.?!…])\s+|\n+/u;

/** Cuts a text at the ends of its sentences; a stretch without any is cut by its length. Linear in the text. */
export function splitSentences(text: string): string[] {
  return text.split(sentenceEnd).flatMap((part) => {
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
