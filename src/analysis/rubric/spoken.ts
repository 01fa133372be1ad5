import { countFillers, type Delivery, measureDelivery } from '../delivery.js';
import type { Segment } from '../../transcription/transcriber.js';
import { count, type Finding, listed, strongest } from './criterion.js';
import { doesNotReadAsEnglish, notEnglish } from './language.js';
import { type Sentence, toScore, upTo } from './text.js';

/** Words a minute that listeners follow well; conversation lies at 120 to 170. */
const PACE = { low: 110, high: 175, off: 60 };
/** Fillers per word: two in a hundred are unheard, fifteen drown the rest. */
const FILLERS = { unheard: 0.02, drowning: 0.15 };
/** Share of noticeable silence. */
const SILENCE = { fine: 0.1, much: 0.45 };

/** What each counts; fillers only where they are known, and the others for more then. */
const COUNTS = { pace: 0.35, fillers: 0.4, silence: 0.25 };
/** What is not known of an answer is neither held against it nor counted as flawless. */
const UNKNOWN = 0.5;

/**
 * How an answer was spoken: pace, pauses and fillers, of the sentences that are scored and the time they took.
 *
 * @param language ISO 639-1; null if unknown, and then told by the sentences
 * @param again what was said besides, and earns nothing: short sentences that came before
 * @param heard the segments as the engine gave them, where some of what was said is left out of `segments`
 */
export function judgeDelivery(
  kept: readonly Sentence[],
  segments: readonly Segment[],
  duration: number | null,
  language: string | null,
  again: readonly Sentence[] = [],
  heard = segments,
): Finding {
  const text = [...kept, ...again].map((sentence) => sentence.text).join(' ');
  const english = notEnglish(language) === null && (language !== null || doesNotReadAsEnglish(kept) === null);
  const measured = measureDelivery(segments, duration, text, english, heard);
  const { wordsPerMinute: pace, pauses } = measured;
  const off = pace === null ? UNKNOWN : upTo(PACE.off, Math.max(PACE.low - pace, pace - PACE.high, 0));
  const fillers = upTo(FILLERS.drowning - FILLERS.unheard, measured.fillerShare - FILLERS.unheard);
  const silence = pauses === null ? UNKNOWN : upTo(SILENCE.much - SILENCE.fine, measured.pauseShare - SILENCE.fine);
  const lost = COUNTS.pace * off + COUNTS.fillers * fillers + COUNTS.silence * silence;
  const score = toScore(1 - lost / (english ? 1 : 1 - COUNTS.fillers));
  const rests = strongest(kept, (sentence) => (fillers > 0 ? countFillers(sentence.text) : sentence.words.length));
  return { score, reason: reasonOf(measured), rests, advice: adviceOf(measured) };
}

function reasonOf({ wordsPerMinute: pace, pauses, longestPause, fillers, words }: Delivery): string {
  const parts: string[] = [];
  if (pace !== null) {
    const judged = pace < PACE.low ? 'slow' : pace > PACE.high ? 'fast' : 'easy to follow';
    parts.push(`${pace} words a minute is ${judged}`);
  }
  if (pauses?.length === 0) parts.push('no long pauses');
  else if (pauses?.length === 1) parts.push(`there is one pause of ${longestPause.toFixed(1)} s`);
  else if (pauses) parts.push(`there are ${pauses.length} pauses of up to ${longestPause.toFixed(1)} s`);
  if (fillers !== null) parts.push(fillers === 0 ? 'no fillers' : `${count(fillers, 'filler')} in ${words} words`);
  if (parts.length === 0) return 'How it was spoken is not known, as it came without times.';
  const sentence = listed(parts);
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
