import type { Segment } from '../../transcription/transcriber.js';
import { findEvidence } from '../evidence.js';
import type { Evidence } from '../scorer.js';
import type { Sentence } from './text.js';

/** Characters of a quote: a sentence or two lines of it. */
const LONGEST_QUOTE = 180;
/** Above so many characters a quote is looked for as it stands, which takes no time worth naming. */
const SEARCHED_FREELY = 2_000;

function shortened(text: string): string {
  if (text.length <= LONGEST_QUOTE) return text;
  return text.slice(0, LONGEST_QUOTE).replace(/\s+\S*$/, '');
}

/** Turns sentences of one answer into evidence with times, in seconds; null where nothing is known about time. */
export class EvidenceFinder {
  /** The segments' text joined by blanks, and where each begins in it. */
  private readonly spoken: string;
  private readonly starts: number[] = [];

  constructor(
    private readonly transcript: string,
    private readonly segments: readonly Segment[],
  ) {
    let at = 0;
    for (const { text } of segments) {
      this.starts.push(at);
      at += text.length + 1;
    }
    this.spoken = segments.map(({ text }) => text).join(' ');
  }

  find(sentence: Sentence): Evidence {
    const quote = shortened(sentence.text);
    const inTranscript = this.transcript.indexOf(quote);
    if (this.transcript.length <= SEARCHED_FREELY || inTranscript < 0) {
      return findEvidence(quote, this.transcript, this.segments) ?? { quote, start: null, end: null };
    }
    if (this.segments.length === 0) return { quote, start: null, end: null };
    const exact = this.spoken.indexOf(quote);
    // Both are the same words; should an engine have tidied one of them, the share of the whole still leads close.
    const from = exact >= 0 ? exact : (inTranscript * this.spoken.length) / this.transcript.length;
    return { quote, start: this.timeAt(from), end: this.timeAt(from + quote.length) };
  }

  /** Speech is taken as even within its segment. */
  private timeAt(place: number): number | null {
    let at = this.starts.findIndex((start, index) => place < (this.starts[index + 1] ?? Infinity) && place >= start);
    if (at < 0) at = this.segments.length - 1;
    const segment = this.segments[at];
    if (!segment) return null;
    const share = Math.min(1, (place - (this.starts[at] ?? 0)) / Math.max(1, segment.text.length));
    return Math.round((segment.start + (segment.end - segment.start) * share) * 100) / 100;
  }
}

/** One sentence of an answer as evidence; see `EvidenceFinder`. */
export function evidenceOf(sentence: Sentence, transcript: string, segments: readonly Segment[]): Evidence {
  return new EvidenceFinder(transcript, segments).find(sentence);
}
