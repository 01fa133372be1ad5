import { SAMPLE_RATE } from './ffmpeg.js';
import { PauseCutter } from './openai-cut.js';

/** Lengths in seconds of the pieces that the samples are cut into, fed in chunks of a given size. */
function cut(samples: Float32Array, chunk: number, longestS = 10): number[] {
  const cutter = new PauseCutter(longestS);
  const lengths = [0];
  for (let at = 0; at < samples.length; at += chunk) {
    for (const part of cutter.push(samples.subarray(at, at + chunk))) {
      lengths[lengths.length - 1]! += part.samples.length;
      if (part.endsPiece) lengths.push(0);
    }
  }
  lengths[lengths.length - 1]! += cutter.flush().length;
  return lengths.map((length) => length / SAMPLE_RATE);
}

/** A tone with silence in the given stretches of seconds. */
function tone(seconds: number, silences: [number, number][]): Float32Array {
  return Float32Array.from({ length: seconds * SAMPLE_RATE }, (_, i) =>
    silences.some(([from, to]) => i >= from * SAMPLE_RATE && i < to * SAMPLE_RATE) ? 0 : Math.sin(i / 5),
  );
}

describe('PauseCutter', () => {
  it('cuts in the middle of the longest pause of the last part of a piece', () => {
    const [first] = cut(
      tone(16, [
        [2, 5],
        [6, 6.3],
        [7.4, 8.4],
      ]),
      4_000,
    );
    expect(first).toBeCloseTo(7.9, 1);
  });

  it('cuts the same whatever the size of the chunks, and loses nothing', () => {
    const samples = tone(47, [
      [8, 9],
      [15, 15.5],
      [22, 24],
      [31, 31.2],
      [39, 40],
    ]);
    const once = cut(samples, samples.length);
    expect(cut(samples, 777)).toEqual(once);
    expect(once.reduce((sum, length) => sum + length, 0)).toBeCloseTo(47, 9);
  });

  it('cuts at the longest length where there is no pause', () => {
    for (const length of cut(tone(35, []), 5_000)) expect(length).toBeLessThanOrEqual(10);
  });

  it('leaves short audio whole', () => {
    expect(cut(tone(9, [[4, 5]]), 4_000)).toEqual([9]);
  });
});
