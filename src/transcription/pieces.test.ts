import fc from 'fast-check';
import { PieceCutter, type SpeechPiece } from './pieces.js';
import { VAD_WINDOW } from './vad-window.js';

const WINDOW_S = VAD_WINDOW / 16_000;

/** Sound in which every sample is told from every other by its value, with its probabilities of speech. */
function sound(probabilities: number[]): Float32Array {
  return Float32Array.from({ length: probabilities.length * VAD_WINDOW }, (_, i) => ((i * 48_271) % 65_537) / 65_537);
}

function cut(probabilities: number[], block = 64): SpeechPiece[] {
  const cutter = new PieceCutter();
  const samples = sound(probabilities);
  const pieces: SpeechPiece[] = [];
  for (let at = 0; at < probabilities.length; at += block)
    pieces.push(
      ...cutter.push(samples.subarray(at * VAD_WINDOW, (at + block) * VAD_WINDOW), probabilities.slice(at, at + block)),
    );
  return [...pieces, ...cutter.finish()];
}

const speech = (seconds: number) => Array<number>(Math.round(seconds / WINDOW_S)).fill(0.95);
const pause = (seconds: number) => Array<number>(Math.round(seconds / WINDOW_S)).fill(0.02);

describe('cutting speech into pieces', () => {
  it('makes a piece of what stands between two pauses, with a little sound around it', () => {
    const pieces = cut([...pause(2), ...speech(3), ...pause(1), ...speech(4), ...pause(2)]);
    expect(pieces.map(({ index, start, end }) => [index, Math.round(start), Math.round(end)])).toEqual([
      [0, 2, 5],
      [1, 6, 10],
    ]);
    for (const { samples, start, end } of pieces) expect(samples.length / 16_000 - (end - start)).toBeCloseTo(0.52, 1);
  });

  it('keeps a sentence with short pauses together', () => {
    expect(cut([...speech(3), ...pause(0.4), ...speech(3), ...pause(1)])).toHaveLength(1);
  });

  it('ends a piece that is long already at a breath', () => {
    const pieces = cut([...speech(16), ...pause(0.3), ...speech(5), ...pause(1)]);
    expect(pieces.map(({ start, end }) => Math.round(end - start))).toEqual([16, 5]);
  });

  it('cuts speech without any pause where it is quietest', () => {
    const probabilities = speech(40);
    const samples = sound(probabilities);
    const quiet = Math.round(20 / WINDOW_S);
    samples.fill(0, (quiet - 1) * VAD_WINDOW, (quiet + 2) * VAD_WINDOW);
    const cutter = new PieceCutter();
    const pieces = [...cutter.push(samples, probabilities), ...cutter.finish()];
    expect(pieces.map(({ start, end }) => [Math.round(start), Math.round(end)])).toEqual([
      [0, 20],
      [20, 40],
    ]);
  });

  it('leaves out clicks', () => {
    expect(cut([...pause(1), ...speech(0.1), ...pause(2)])).toEqual([]);
  });

  const stretches = fc.array(fc.tuple(fc.constantFrom(0.01, 0.3, 0.4, 0.6, 0.99), fc.integer({ min: 1, max: 700 })), {
    maxLength: 12,
  });

  it('gives the same pieces however the sound arrives, each under 30 s, none over another', () => {
    fc.assert(
      fc.property(stretches, fc.integer({ min: 1, max: 200 }), (parts, block) => {
        const probabilities = parts.flatMap(([probability, count]) => Array<number>(count).fill(probability));
        const pieces = cut(probabilities, block);
        expect(pieces.map(({ samples, ...piece }) => ({ ...piece, length: samples.length }))).toEqual(
          cut(probabilities, 64).map(({ samples, ...piece }) => ({ ...piece, length: samples.length })),
        );
        let last = 0;
        for (const [i, { index, start, end, samples }] of pieces.entries()) {
          expect(index).toBe(i);
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(probabilities.length * WINDOW_S + 1e-9);
          expect(samples.length / 16_000).toBeLessThan(30);
          last = end;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('gives the sound itself, unchanged, from a place before where speech begins', () => {
    const probabilities = [...pause(3.008), ...speech(2), ...pause(1)];
    const [piece] = cut(probabilities);
    const whole = sound(probabilities);
    const from = Math.round(piece!.start * 16_000);
    const lead = from - whole.subarray(0, from).toReversed().indexOf(piece!.samples[0]!) - 1;
    expect(lead).toBeLessThan(from);
    expect(piece!.samples).toEqual(whole.slice(lead, lead + piece!.samples.length));
  });
});
