import { DETERMINER } from '../delivery.js';
import type { Sentence } from './text.js';

const vagueWords = new Set(
  'stuff thing things something somehow somewhere someone whatever basically various several etc everything anything'.split(
    ' ',
  ),
);
const vaguePhrases = new RegExp(
  String.raw`\b(?:(?<!${DETERMINER} )(?:kind|sort) of|and so on|or so|or something|some kind|you know|i guess|i don't know|i don't really know|not (?:really )?sure|a lot of|more or less|a bit)\b`,
  'gu',
);
const fillers = new Set('um uh er erm ah hmm mm umm uhm like'.split(' '));

/** As it was written: "ER" is an emergency room. */
export function isFiller(token: string): boolean {
  return fillers.has(token.toLowerCase()) && !/^\p{Lu}{2}/u.test(token);
}

/** Expressions that say nothing in particular. */
export function vagueIn(sentence: Sentence): number {
  const lower = sentence.words.join(' ');
  return sentence.words.filter((word) => vagueWords.has(word)).length + (lower.match(vaguePhrases)?.length ?? 0);
}

/** Share of an answer's words that are fillers or vague, 0 to 1. */
export function emptyShare(sentences: readonly Sentence[]): number {
  let words = 0;
  let empty = 0;
  for (const sentence of sentences) {
    words += sentence.words.length;
    empty += vagueIn(sentence) + sentence.tokens.filter(isFiller).length;
  }
  return words === 0 ? 0 : empty / words;
}
