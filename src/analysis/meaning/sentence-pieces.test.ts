import { cpuSeconds } from '../../../test/support/cpu.js';
import { readEncoder } from './encoder-weights.js';
import { SentencePieces } from './sentence-pieces.js';

const { vocabulary } = readEncoder();
const pieces = new SentencePieces(vocabulary);
const read = (text: string) => pieces.of(text).map((piece) => vocabulary[piece]![0]);

describe('the pieces of a sentence', () => {
  // The example in the README of @tensorflow-models/universal-sentence-encoder.
  it('are those that the authors of the encoder name', () => {
    expect(pieces.of('Hello, how are you?')).toEqual([341, 4125, 8, 140, 31, 19, 54]);
  });

  it('are the likeliest that make up the text, words before letters', () => {
    expect(read('I live in London')).toEqual(['▁I', '▁live', '▁in', '▁London']);
    expect(read('Elephant').join('')).toBe('▁Elephant');
  });

  it('take any white space for one blank, and compatible forms for the usual ones', () => {
    expect(pieces.of('  a\n new\t sentence ')).toEqual(pieces.of('a new sentence'));
    expect(pieces.of('ｏｆﬁce')).toEqual(pieces.of('office'));
  });

  it('are one unknown piece for all that is unknown in a row', () => {
    expect(pieces.of('猫猫猫').filter((piece) => piece === 0)).toHaveLength(1);
  });

  it('are none without text', () => {
    expect(pieces.of(' \n')).toEqual([]);
  });

  it('take time by the length of the text', async () => {
    const text = 'supercalifragilistic'.repeat(5_000);
    expect(await cpuSeconds(() => expect(pieces.of(text).length).toBeGreaterThan(10_000))).toBeLessThan(2);
  });
});
