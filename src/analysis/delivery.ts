import type { Segment } from '../transcription/transcriber.js';
import { countWords } from './criteria.js';

/** How an answer was spoken. */
export interface Delivery {
  /** Words of the transcript, fillers included. */
  words: number;
  /** Seconds from the first to the last word. */
  speakingTime: number;
  /** Null when nothing is known about time. */
  wordsPerMinute: number | null;
  /** Silences between two segments of at least `PAUSE_S`; seconds from the start of the audio. Null where times do not tell. */
  pauses: { start: number; end: number }[] | null;
  /** Share of the speaking time that is pauses, 0 to 1. */
  pauseShare: number;
  /** Seconds. */
  longestPause: number;
  /** Fillers: "um", "you know" and the like. Null in a language whose fillers are not known. */
  fillers: number | null;
  /** Fillers per word, 0 to 1. */
  fillerShare: number;
}

/** A silence that listeners notice, in seconds: breathing and full stops stay under it. */
export const PAUSE_S = 1;

/** What comes before a unit, "5 mm" or "a few mm". */
const AMOUNT = String.raw`(?:\p{N}|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|half|few|some|many|per|in))[ -]?`;
/** What "kind of" belongs to as a noun, "what kind of guest" or "a rare kind of fault"; "it kind of worked" has none before it. */
export const DETERMINER = String.raw`\b(?:an?|the|this|that|these|those|what|which|whatever|any|some|every|each|no|one|another|same)(?: \p{L}{1,20})?`;
/** Small letters, since "ER" is an emergency room; and "to err", "err on the side of caution" is a verb. */
const fillerWords = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:[Uu](?:h*m+|h+)|(?![Ee]rr on\b|(?<=\bto )err\b)[Ee]r+m*|[Aa]h+|[Hh]m+|(?<!${AMOUNT})[Mm]m+)(?![\p{L}\p{N}])`,
  'gu',
);
/** "like" is one only where it is set off by commas; "I like" and "like a tree" are not. */
const fillerPhrases = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:you know|i mean|i guess|(?<!${DETERMINER} )(?:kind|sort) of|or something|or whatever|basically|literally|like(?=,)|(?<=, )like)(?![\p{L}\p{N}])`,
  'giu',
);

/** Fillers in an English text. Linear in its length. */
export function countFillers(text: string): number {
  // Capitals tell nothing where there is nothing else.
  const read = /\p{Ll}/u.test(text) ? text : text.toLowerCase();
  return (read.match(fillerWords)?.length ?? 0) + (read.match(fillerPhrases)?.length ?? 0);
}

const wordPattern = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*/gu;
/** Scripts that put no spaces between words. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** Characters counted at a time: a dictionary takes ever longer over a longer text. */
const AT_ONCE = /[^]{1,500}/gu;

/** Words in any script; where spaces part them, without the dictionaries that take long over a long text. */
function wordsIn(transcript: string): number {
  if (unspaced.test(transcript)) {
    return (transcript.match(AT_ONCE) ?? []).reduce((sum, piece) => sum + countWords(piece), 0);
  }
  return transcript.match(wordPattern)?.length ?? 0;
}

const isSpoken = ({ start, end, text }: Segment): boolean => text.trim() !== '' && end > start;

/** Whether times tell of pauses. One segment over the whole audio stands for the words of an engine that gives none. */
function tellPauses(segments: readonly Segment[], duration: number | null): boolean {
  const [first, second] = segments.filter(isSpoken);
  return first !== undefined && (second !== undefined || first.start > 0 || first.end !== duration);
}

/**
 * Measures how an answer was spoken. Linear in its length.
 *
 * @param segments times in seconds from the start of the audio, in order; empty when the engine gave none
 * @param duration seconds of audio, used where there are no segments; null if unknown
 * @param english whether fillers are known: those of English are
 * @param heard the segments as the engine gave them, where some of what was said is left out of `segments`
 */
export function measureDelivery(
  segments: readonly Segment[],
  duration: number | null,
  transcript: string,
  english: boolean,
  heard = segments,
): Delivery {
  const words = wordsIn(transcript);
  const fillers = english ? countFillers(transcript) : null;
  const spoken = segments.filter(isSpoken);
  const first = spoken[0]?.start ?? 0;
  let last = first;
  const pauses: { start: number; end: number }[] = [];
  spoken.forEach(({ start, end }, at) => {
    if (at > 0 && start - last >= PAUSE_S) pauses.push({ start: last, end: start });
    last = Math.max(last, end);
  });
  const speakingTime = spoken.length > 0 ? last - first : (duration ?? 0);
  const silent = pauses.reduce((sum, pause) => sum + pause.end - pause.start, 0);
  return {
    words,
    speakingTime,
    wordsPerMinute: speakingTime > 0 ? Math.round((words * 60) / speakingTime) : null,
    pauses: spoken.length > 0 && tellPauses(heard, duration) ? pauses : null,
    pauseShare: speakingTime > 0 ? silent / speakingTime : 0,
    longestPause: pauses.reduce((longest, pause) => Math.max(longest, pause.end - pause.start), 0),
    fillers,
    fillerShare: words > 0 ? (fillers ?? 0) / words : 0,
  };
}
