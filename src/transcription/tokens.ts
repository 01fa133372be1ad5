import llamaTokenizer from 'llama-tokenizer-js';

/** Moonshine's decoder starts with this token. */
export const START_TOKEN = 1;
/** Moonshine's decoder ends with this token. */
export const END_TOKEN = 2;
/** Ids from here on are Moonshine's own marks, which stand for no text. */
const FIRST_MARK = 32_000;

/** Text of Moonshine's tokens, which are Llama's (SentencePiece) and its own marks. */
export function textOf(tokens: readonly number[]): string {
  return llamaTokenizer
    .decode(
      tokens.filter((token) => token > END_TOKEN && token < FIRST_MARK),
      false,
      false,
    )
    .trim();
}

/**
 * How many tokens to keep when the end of `tokens` goes round in circles: up to and with the first round; null when it does not. A
 * decoder that lost the sound repeats itself until it is stopped; people repeat themselves too, so few repeats are let through.
 */
export function loopStart(tokens: readonly number[]): number | null {
  for (let length = 1; length <= 20; length++) {
    const repeats = length === 1 ? 8 : length <= 4 ? 5 : 4;
    let start = tokens.length - length;
    while (start > 0 && tokens[start - 1] === tokens[start - 1 + length]) start--;
    if (tokens.length - start >= length * repeats) return start + length;
  }
  return null;
}
