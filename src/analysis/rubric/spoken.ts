import { type Delivery, measureDelivery } from '../delivery.js';
import type { Segment } from '../../transcription/transcriber.js';
import { count, type Finding, listed, strongest } from './criterion.js';
import { type Sentence, toScore, upTo } from './text.js';

/** Words a minute that listeners follow well; conversation lies at 120 to 170. */
const PACE = { low: 110, high: 175, off: 60 };
/** Fillers per word: two in a hundred are unheard, fifteen drown the rest. */
const FILLERS = { unheard: 0.02, drowning: 0.15 };
/** Share of noticeable silence. */
const SILENCE = { fine: 0.1, much: 0.45 };

/**
 * How an answer was spoken: pace, pauses and fillers, of the sentences that are scored and the time they took.
 *
 * @param again what was said besides, and earns nothing: short sentences that came before
 */
export function judgeDelivery(
  kept: readonly Sentence[],
  segments: readonly Segment[],
  duration: number | null,
  again: readonly Sentence[] = [],
): Finding {
  const text = [...kept, ...again].map((sentence) => sentence.text).join(' ');
  const measured = measureDelivery(segments, duration, text);
  const pace = measured.wordsPerMinute;
  const off = pace === null ? 0 : Math.max(PACE.low - pace, pace - PACE.high, 0);
  const fillers = upTo(FILLERS.drowning - FILLERS.unheard, measured.fillerShare - FILLERS.unheard);
  const silence = upTo(SILENCE.much - SILENCE.fine, measured.pauseShare - SILENCE.fine);
  const score = toScore(1 - 0.35 * upTo(PACE.off, off) - 0.4 * fillers - 0.25 * silence);
  const rests = strongest(kept, (sentence) =>
    fillers > 0 ? measureDelivery([], null, sentence.text).fillers : sentence.words.length,
  );
  return { score, reason: reasonOf(measured), rests, advice: adviceOf(measured) };
}

function reasonOf(measured: Delivery): string {
  const { wordsPerMinute: pace, pauses, fillers, words } = measured;
  const speed =
    pace === null
      ? []
      : [`${pace} words a minute is ${pace < PACE.low ? 'slow' : pace > PACE.high ? 'fast' : 'easy to follow'}`];
  const silence =
    pauses.length === 0
      ? 'no long pauses'
      : `${pauses.length === 1 ? 'there is one pause' : `there are ${pauses.length} pauses`} of ${pauses.length === 1 ? '' : 'up to '}${measured.longestPause.toFixed(1)} s`;
  const filling = fillers === 0 ? 'no fillers' : `${count(fillers, 'filler')} in ${words} words`;
  const sentence = listed([...speed, silence, filling]);
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

function adviceOf(measured: Delivery): string[] {
  const advice: string[] = [];
  const { wordsPerMinute: pace } = measured;
  if (measured.fillerShare > 0.04)
    advice.push('Pause silently where you would say “um” or “you know”: it sounds surer.');
  if (pace !== null && pace > PACE.high)
    advice.push(`Slow down: you spoke ${pace} words a minute, 120 to 160 are easier to follow.`);
  if (measured.pauseShare > 0.25)
    advice.push('Take a moment to think before you begin, then speak in one go: the pauses were long.');
  else if (pace !== null && pace < PACE.low)
    advice.push(`Speak a little faster: ${pace} words a minute loses listeners.`);
  return advice;
}
