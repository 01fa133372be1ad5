import { SAMPLE_RATE } from './ffmpeg.js';

/** The longest piece: below every model's limit (1400 s at gpt-4o-transcribe), and little is lost when one fails. */
export const LONGEST_PIECE_S = 1200;
/** The last part of a piece, in which a pause is looked for. */
const SEARCH_S = 60;
const FRAME = SAMPLE_RATE / 50;

export interface CutPart {
  samples: Float32Array;
  /** The piece ends after these samples. */
  endsPiece: boolean;
}

/**
 * Cuts a stream of samples into pieces of at most 20 minutes, each time in the middle of the longest pause of the piece's
 * last minute. Where there is no pause, at 20 minutes sharp.
 */
export class PauseCutter {
  private passed = 0;
  private held: Float32Array[] = [];
  private heldLength = 0;
  private readonly longest: number;
  private readonly search: number;

  /** @param longestS seconds, for tests of short audio */
  constructor(longestS = LONGEST_PIECE_S, searchS = Math.min(SEARCH_S, longestS / 2)) {
    this.longest = Math.floor(longestS * SAMPLE_RATE);
    this.search = Math.floor(searchS * SAMPLE_RATE);
  }

  /** Takes the next samples, gives back those whose piece is decided. */
  *push(samples: Float32Array): Generator<CutPart> {
    let rest = samples;
    while (rest.length > 0) {
      const free = Math.max(0, this.longest - this.search - this.passed);
      if (free > 0) {
        const part = rest.subarray(0, free);
        rest = rest.subarray(part.length);
        this.passed += part.length;
        yield { samples: part, endsPiece: false };
        continue;
      }
      const part = rest.subarray(0, this.search - this.heldLength);
      rest = rest.subarray(part.length);
      this.held.push(part);
      this.heldLength += part.length;
      if (this.heldLength === this.search) yield* this.cut();
    }
  }

  /** What is left at the end of the audio, shorter than the longest piece. */
  flush(): Float32Array {
    return this.take();
  }

  private *cut(): Generator<CutPart> {
    const window = this.take();
    const at = middleOfPause(window);
    this.passed = 0;
    yield { samples: window.subarray(0, at), endsPiece: true };
    yield* this.push(window.subarray(at));
  }

  private take(): Float32Array {
    const all = new Float32Array(this.heldLength);
    let at = 0;
    for (const part of this.held) {
      all.set(part, at);
      at += part.length;
    }
    this.held = [];
    this.heldLength = 0;
    return all;
  }
}

/** Where to cut, in samples: the middle of the longest run of quiet 20 ms frames, the end when no frame is quiet. */
function middleOfPause(window: Float32Array): number {
  const levels: number[] = [];
  for (let at = 0; at + FRAME <= window.length; at += FRAME) {
    let sum = 0;
    for (let i = at; i < at + FRAME; i++) sum += (window[i] as number) ** 2;
    levels.push(Math.sqrt(sum / FRAME));
  }
  const sorted = [...levels].sort((a, b) => a - b);
  const level = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  // Quiet is near the noise floor of this very recording: a fixed level would miss the pauses of a loud room.
  const quiet = level(0.05) + 0.1 * (level(0.95) - level(0.05));
  let best = { length: 0, end: 0 };
  let length = 0;
  levels.forEach((value, frame) => {
    length = value < quiet ? length + 1 : 0;
    if (length > best.length) best = { length, end: frame + 1 };
  });
  if (best.length === 0) return window.length;
  return Math.round((best.end - best.length / 2) * FRAME);
}
