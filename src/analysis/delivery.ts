import type { Segment } from '../transcription/transcriber.js';

/** How an answer was spoken. */
export interface Delivery {
  /** Words of the transcript, fillers included. */
  words: number;
  /** Seconds from the first to the last word. */
  speakingTime: number;
  /** Null when nothing is known about time. */
  wordsPerMinute: number | null;
  /** Silences between two segments of at least `PAUSE_S`; seconds from the start of the audio. */
  pauses: { start: number; end: number }[];
  /** Share of the speaking time that is pauses, 0 to 1. */
  pauseShare: number;
  /** Seconds. */
  longestPause: number;
  /** Fillers: "um", "you know" and the like. */
  fillers: number;
  /** Fillers per word, 0 to 1. */
  fillerShare: number;
}

/** A silence that listeners notice, in seconds: breathing and full stops stay under it. */
export const PAUSE_S = 1;

const fillerWords = /(?<![\p{L}\p{N}])(?:u+h*m+|u+h+|e+r+m*|a+h+|h+m+|mm+)(?![\p{L}\p{N}])/giu;
/** "like" is one only where it is set off by commas; "I like" and "like a tree" are not. */
const fillerPhrases =
  /(?<![\p{L}\p{N}])(?:you know|i mean|i guess|kind of|sort of|or something|or whatever|basically|literally|like(?=,)|(?<=, )like)(?![\p{L}\p{N}])/giu;
const wordPattern = /[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu;

/**
 * Measures how an answer was spoken. Linear in its length.
 *
 * @param segments times in seconds from the start of the audio, in order; empty when the engine gave none
 * @param duration seconds of audio, used where there are no segments; null if unknown
 */
export function measureDelivery(segments: readonly Segment[], duration: number | null, transcript: string): Delivery {
  const words = transcript.match(wordPattern)?.length ?? 0;
  const fillers = (transcript.match(fillerWords)?.length ?? 0) + (transcript.match(fillerPhrases)?.length ?? 0);
  const spoken = segments.filter((segment) => segment.text.trim() !== '' && segment.end > segment.start);
  const first = spoken[0]?.start ?? 0;
  let last = first;
  const pauses: Delivery['pauses'] = [];
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
    pauses,
    pauseShare: speakingTime > 0 ? silent / speakingTime : 0,
    longestPause: pauses.reduce((longest, pause) => Math.max(longest, pause.end - pause.start), 0),
    fillers,
    fillerShare: words > 0 ? fillers / words : 0,
  };
}
