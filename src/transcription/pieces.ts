import { VAD_WINDOW } from './vad-window.js';

/** A stretch of speech that is recognised as one. */
export interface SpeechPiece {
  /** From 0, in the order of the audio. */
  index: number;
  /** Where speech begins and ends, seconds from the start of the audio. */
  start: number;
  end: number;
  /** 16 kHz mono, with a little of the sound before and after. */
  samples: Float32Array;
}

const SAMPLE_RATE = 16_000;
const windows = (seconds: number) => Math.round((seconds * SAMPLE_RATE) / VAD_WINDOW);

/** Speech begins at the higher probability and lasts while it is above the lower one (Silero's own defaults). */
const BEGIN = 0.5;
const LAST = 0.35;
/** A pause this long ends a piece; once a piece is long, a breath does. */
const PAUSE = windows(0.6);
const BREATH = windows(0.22);
const LONG = windows(15);
/** The model takes pieces under 30 s. */
const LONGEST = windows(28);
/** Less speech than this is a click or a cough. */
const SHORTEST = windows(0.16);
/** Sound that is kept before speech (the detector is late) and after it. */
const LEAD = windows(0.32);
const TAIL = windows(0.2);

/**
 * Cuts speech at its pauses, as the sound arrives. The same audio gives the same pieces. Holds at most one piece.
 */
export class PieceCutter {
  private readonly sound = new Float32Array((LONGEST + 1) * VAD_WINDOW);
  /** Of each window that is held. */
  private probabilities: number[] = [];
  /** Windows of the audio before the first one held. */
  private before = 0;
  /** Positions among the windows held; -1 outside speech. */
  private begun = -1;
  private voicedUntil = -1;
  private pieces = 0;

  /** @param samples whole windows of `VAD_WINDOW`, with a probability of speech for each */
  *push(samples: Float32Array, probabilities: ArrayLike<number>): Generator<SpeechPiece> {
    for (let i = 0; i < probabilities.length; i++) {
      const probability = probabilities[i]!;
      this.sound.set(samples.subarray(i * VAD_WINDOW, (i + 1) * VAD_WINDOW), this.held * VAD_WINDOW);
      this.probabilities.push(probability);
      if (this.begun < 0 && probability < BEGIN) {
        if (this.held > LEAD) this.drop(this.held - LEAD);
        continue;
      }
      if (this.begun < 0) this.begun = this.held - 1;
      if (probability >= LAST) this.voicedUntil = this.held;
      const pause = this.held - this.voicedUntil;
      if (pause >= (this.held >= LONG ? BREATH : PAUSE)) yield* this.end();
      else if (this.held >= LONGEST) yield* this.cut();
    }
  }

  /** The piece that the end of the audio ends, if any. */
  *finish(): Generator<SpeechPiece> {
    if (this.begun >= 0) yield* this.end();
  }

  private get held(): number {
    return this.probabilities.length;
  }

  private *end(): Generator<SpeechPiece> {
    const until = Math.min(this.held, this.voicedUntil + TAIL);
    yield* this.take(until, this.voicedUntil);
    this.begun = -1;
    this.voicedUntil = -1;
    if (this.held > LEAD) this.drop(this.held - LEAD);
  }

  /** Speech without a pause is cut where it is quietest, in the later half, and goes on in the next piece. */
  private *cut(): Generator<SpeechPiece> {
    let quietest = this.held - 1;
    let least = Infinity;
    for (let at = this.held >> 1; at < this.held - 1; at++) {
      const energy = this.energy(at - 1) + this.energy(at) + this.energy(at + 1);
      if (energy < least) {
        least = energy;
        quietest = at;
      }
    }
    const voicedUntil = this.voicedUntil - quietest;
    yield* this.take(quietest, Math.min(this.voicedUntil, quietest));
    this.begun = 0;
    this.voicedUntil = Math.max(0, voicedUntil);
  }

  /** Gives the first windows as a piece, if there is speech in them, and lets go of them. */
  private *take(until: number, voicedUntil: number): Generator<SpeechPiece> {
    const voiced = this.probabilities.slice(0, until).filter((probability) => probability >= BEGIN).length;
    const seconds = (position: number) => ((this.before + position) * VAD_WINDOW) / SAMPLE_RATE;
    const piece = {
      start: seconds(this.begun),
      end: seconds(voicedUntil),
      samples: this.sound.slice(0, until * VAD_WINDOW),
    };
    this.drop(until);
    if (voiced >= SHORTEST) yield { index: this.pieces++, ...piece };
  }

  private drop(count: number): void {
    this.sound.copyWithin(0, count * VAD_WINDOW, this.held * VAD_WINDOW);
    this.probabilities.splice(0, count);
    this.before += count;
  }

  private energy(at: number): number {
    let sum = 0;
    for (let i = at * VAD_WINDOW; i < (at + 1) * VAD_WINDOW; i++) sum += this.sound[i]! ** 2;
    return sum;
  }
}
