import { loopStart, textOf } from './tokens.js';

describe('text of tokens', () => {
  it('joins the parts of words and leaves out the marks', () => {
    expect(textOf([1, 15043, 29892, 3186, 29991, 2, 32001])).toBe('Hello, world!');
    expect(textOf([])).toBe('');
  });
});

describe('a decoder that goes round in circles', () => {
  const repeat = (part: number[], times: number) => Array.from({ length: times }, () => part).flat();

  it('is found by a word, a phrase or a sentence said over and over, and what was said once is kept', () => {
    for (const [part, times] of [
      [[7], 8],
      [[7, 8, 9], 5],
      [[10, 11, 12, 13, 14, 15, 16, 17], 4],
    ] as const) {
      const tokens = [1, 2, 3, ...repeat([...part], times)];
      expect(loopStart(tokens)).toBe(3 + part.length);
      expect(loopStart(tokens.slice(0, -1))).toBeNull();
    }
  });

  it('is cut down to what was said once however long it went on', () => {
    expect(loopStart([1, 2, 3, ...repeat([7, 8, 9], 60), 7])).toBe(6);
  });

  it('is not seen where people repeat themselves', () => {
    expect(loopStart([5, 9, 9, 9, 9, 6])).toBeNull();
    expect(loopStart([...repeat([4, 5, 6, 7, 8], 3)])).toBeNull();
  });
});
