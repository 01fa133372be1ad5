import type { Evidence, Segment } from './scorer.js';

/** A text reduced to its letters and digits, each with its place in the text. */
interface Letters {
  folded: string;
  /** Place in the text of each folded UTF-16 unit. */
  at: number[];
}

const letterOrDigit = /[\p{L}\p{N}]/u;
/** Scripts written without spaces: a word may begin or end after any of their letters. */
const unspaced = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmr}\p{scx=Mymr}]/u;

/** Ignores case, accents, punctuation and white space, so that a quote with tidied commas is still found. */
function fold(text: string): Letters {
  const at: number[] = [];
  let folded = '';
  let place = 0;
  for (const symbol of text) {
    const code = symbol.charCodeAt(0);
    if (code < 128) {
      // The same by hand for ASCII, which is nearly all of an English answer: six times as fast.
      const digit = code >= 48 && code <= 57;
      const upper = code >= 65 && code <= 90;
      if (digit || upper || (code >= 97 && code <= 122)) {
        folded += upper ? String.fromCharCode(code + 32) : symbol;
        at.push(place);
      }
      place += 1;
      continue;
    }
    for (const part of symbol.normalize('NFKD').toLowerCase()) {
      if (!letterOrDigit.test(part)) continue;
      folded += part;
      for (let unit = 0; unit < part.length; unit++) at.push(place);
    }
    place += symbol.length;
  }
  return { folded, at };
}

function symbolAt(text: string, place: number): string {
  const code = text.codePointAt(place);
  return code === undefined ? '' : String.fromCodePoint(code);
}

/** Where the symbol at `place` ends, with the accents that follow it. */
function endOfSymbol(text: string, place: number): number {
  let end = place + symbolAt(text, place).length;
  while (end < text.length && /\p{M}/u.test(symbolAt(text, end))) end += symbolAt(text, end).length;
  return end;
}

function joined(text: string, left: number, right: number): boolean {
  const a = left < 0 ? '' : (text.slice(0, left + 1).match(/.$/u)?.[0] ?? '');
  const b = symbolAt(text, right);
  return letterOrDigit.test(a) && letterOrDigit.test(b) && !unspaced.test(a) && !unspaced.test(b);
}

/** First place of `needle` in whole words: from and to (exclusive), counted in folded letters. */
function locate(needle: string, text: string, letters: Letters): { from: number; to: number } | null {
  for (let from = letters.folded.indexOf(needle); from >= 0; from = letters.folded.indexOf(needle, from + 1)) {
    const to = from + needle.length;
    const start = letters.at[from] ?? 0;
    const end = endOfSymbol(text, letters.at[to - 1] ?? 0);
    if (!joined(text, start - 1, start) && !joined(text, end - 1, end)) return { from, to };
  }
  return null;
}

/** The stretch of speech's folded letters, counted over all of it, and its time. */
interface Span {
  from: number;
  to: number;
  segment: Segment;
}

/** Several quotes of one answer are looked up in a row. */
const known = new WeakMap<readonly Segment[], Span[]>();
let lastAnswer = { transcript: '', letters: fold('') };

function lettersOf(transcript: string): Letters {
  if (lastAnswer.transcript !== transcript) lastAnswer = { transcript, letters: fold(transcript) };
  return lastAnswer.letters;
}

function spansOf(segments: readonly Segment[]): Span[] {
  const before = known.get(segments);
  if (before) return before;
  let from = 0;
  const spans = segments.flatMap((segment) => {
    const length = fold(segment.text).folded.length;
    if (length === 0) return [];
    const span = { from, to: from + length, segment };
    from += length;
    return [span];
  });
  known.set(segments, spans);
  return spans;
}

/** Time of a letter's edge, in seconds: speech is taken as even within its segment. */
function timeIn(span: Span, letter: number): number {
  const share = (letter - span.from) / (span.to - span.from);
  const { start, end } = span.segment;
  return Math.round((start + (end - start) * Math.min(1, Math.max(0, share))) * 100) / 100;
}

function timesOf(place: { from: number; to: number }, total: number, segments: readonly Segment[]) {
  const spans = spansOf(segments);
  const final = spans.at(-1);
  if (!final) return { start: null, end: null };
  // Transcript and segments are the same words; should an engine have tidied one of them, the share of the whole still leads close.
  const scale = final.to / total;
  const from = place.from * scale;
  const to = place.to * scale;
  const first = spans.find((span) => from < span.to) ?? final;
  const last = spans.find((span) => to <= span.to) ?? final;
  return { start: timeIn(first, from), end: timeIn(last, to) };
}

/**
 * Finds a quote in an answer, whole words only, ignoring case, accents, punctuation and white space.
 *
 * @param quote what is claimed to have been said; of one with an ellipsis, the longest part that was said counts
 * @param segments empty for text answers
 * @returns the words exactly as the transcript has them and when they were said, in seconds (null without segments);
 *   null when they were not said
 */
export function findEvidence(quote: string, transcript: string, segments: readonly Segment[]): Evidence | null {
  const letters = lettersOf(transcript);
  const parts = [quote, ...quote.split(/…|\.{3,}|\[[^\]]*\]/u).sort((a, b) => b.length - a.length)];
  for (const part of parts) {
    const needle = fold(part).folded;
    const place = needle ? locate(needle, transcript, letters) : null;
    if (!place) continue;
    const start = letters.at[place.from] ?? 0;
    const end = endOfSymbol(transcript, letters.at[place.to - 1] ?? 0);
    return { quote: transcript.slice(start, end), ...timesOf(place, letters.folded.length, segments) };
  }
  return null;
}
