import { brokenAnswer } from '../openai/openai-errors.js';
import { languageCode } from './openai-language.js';
import type { Segment } from './transcriber.js';

/** What one request to the transcription endpoint brought. */
export interface Heard {
  text: string;
  /** Times in seconds; null when the model gives none. */
  segments: Segment[] | null;
  language: string | null;
  /** Seconds, null when the model does not say. */
  duration: number | null;
}

/** OpenAI's API reference, TranscriptionSegment: below this the decoding counts as failed. */
const LOWEST_LOGPROB = -1;
/** The same: above this the text repeats itself so much that the decoding counts as failed. */
const HIGHEST_COMPRESSION = 2.4;

/** Models that write plain json only: no segments, times or language (OpenAI's speech-to-text guide). */
export function givesTimes(model: string): boolean {
  return !/(^|\/)gpt-[\w.-]*transcribe/.test(model);
}

/** The fields that tell a model how to answer. */
export function formatFields(model: string): [string, string][] {
  if (!givesTimes(model)) return [['response_format', 'json']];
  return [
    ['response_format', 'verbose_json'],
    ['timestamp_granularities[]', 'segment'],
  ];
}

function finite(value: unknown): number | null {
  // Early versions of the API gave the duration as text.
  const number = typeof value === 'string' && value.trim() ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

/**
 * Whether a segment is what the model made of noise or silence: failed decodes are the invented and repeated words that
 * Whisper is known for, and silent segments (high `no_speech_prob`) with a low probability are among them.
 */
function invented(segment: Record<string, unknown>): boolean {
  return (
    (finite(segment['avg_logprob']) ?? 0) < LOWEST_LOGPROB ||
    (finite(segment['compression_ratio']) ?? 0) > HIGHEST_COMPRESSION
  );
}

const sentenceOf = ({ text }: Record<string, unknown>): string => (typeof text === 'string' ? text.trim() : '');

/** Null where it has no times that could be shown. */
function toSegment(segment: Record<string, unknown>, duration: number | null): Segment | null {
  const start = finite(segment['start']);
  const end = finite(segment['end']);
  if (start === null || end === null || typeof segment['text'] !== 'string') return null;
  // The last segment may end in the silence that pads the audio to 30 s.
  const within = (time: number) => Math.min(Math.max(0, time), duration ?? Infinity);
  return { start: within(start), end: Math.max(within(start), within(end)), text: sentenceOf(segment) };
}

/** Scripts written without spaces between words. */
const UNSPACED = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmr}\p{scx=Mymr}]/u;

/** Segments' words as one text, with spaces where the script has them. */
export function joinTexts(texts: readonly string[]): string {
  return texts
    .map((text) => text.trim())
    .filter(Boolean)
    .reduce((whole, text) => {
      if (!whole) return text;
      const unspaced = UNSPACED.test(whole.slice(-1)) || UNSPACED.test(text.slice(0, 1));
      return unspaced ? whole + text : `${whole} ${text}`;
    }, '');
}

/**
 * Reads an answer of the endpoint.
 *
 * @throws TransientError `engine_broken_answer` when it is not of the documented shape
 */
export function readAnswer(answer: unknown): Heard {
  if (typeof answer !== 'object' || answer === null) throw brokenAnswer('speech');
  const { text, segments, language, duration } = answer as Record<string, unknown>;
  if (typeof text !== 'string') throw brokenAnswer('speech');
  // Servers that do not measure it say 0.
  const seconds = finite(duration) || null;
  const heard = { language: languageCode(language), duration: seconds };
  if (!Array.isArray(segments)) return { ...heard, text: text.trim(), segments: null };
  const given = segments as Record<string, unknown>[];
  if (given.some((segment) => typeof segment !== 'object' || segment === null)) throw brokenAnswer('speech');
  const kept = given.filter((segment) => !invented(segment));
  const placed = kept.map((segment) => toSegment(segment, seconds));
  const said = placed.filter((segment) => segment !== null).filter((segment) => segment.text);
  const complete = kept.length === given.length;
  const whole = complete ? text.trim() : joinTexts(kept.map((segment) => sentenceOf(segment)));
  const timeless = placed.includes(null);
  // Its times or its segments say nothing, and its words do: those count.
  if (whole && (timeless || (complete && said.length === 0))) return { ...heard, text: whole, segments: null };
  if (timeless) throw brokenAnswer('speech');
  return { ...heard, text: said.length > 0 ? whole : '', segments: said };
}
