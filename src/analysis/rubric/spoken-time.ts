import type { Segment } from '../../transcription/transcriber.js';
import { clean } from './cleaning.js';
import { readSentence, type Sentence, splitSentences } from './text.js';

/**
 * The segments without the sentences that earn nothing, and without the time they took: talking to the grader, or saying the same again,
 * must not make an answer sound more fluent either. Short ones that come again, such as "Um.", stay.
 */
export function withoutDropped(
  segments: readonly Segment[],
  question: string,
  hopedFor: ReadonlySet<string>,
): Segment[] {
  const parts = segments.map((segment) => splitSentences(segment.text).map(readSentence));
  const { kept, again } = clean(parts.flat(), question, hopedFor);
  const counted = new Set([...kept, ...again]);
  const words = (sentences: readonly Sentence[]) => sentences.reduce((sum, { words }) => sum + words.length, 0);
  const result: Segment[] = [];
  let cut = 0;
  let before = 0;
  segments.forEach((segment, at) => {
    const all = parts[at] ?? [];
    const left = all.filter((sentence) => counted.has(sentence));
    const share = all.length === 0 ? 0 : words(left) / Math.max(1, words(all));
    const length = segment.end - segment.start;
    if (share === 0) cut += Math.max(0, segment.end - before);
    else {
      const start = segment.start - cut;
      result.push({ start, end: start + length * share, text: left.map(({ text }) => text).join(' ') });
      cut += length * (1 - share);
    }
    before = Math.max(before, segment.end);
  });
  return result;
}
