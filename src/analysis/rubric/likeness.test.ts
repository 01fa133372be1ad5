import { likenessOf } from './likeness.js';

/** A meaning that lies along one of the 512 numbers only. */
function along(at: number): Float32Array {
  const vector = new Float32Array(512);
  vector[at] = 1;
  return vector;
}

const NOTHING = Array<number>(512).fill(0);
const compare = (question: number, points: number[], answer: number[]) =>
  likenessOf(
    { question: along(question), points: points.map(along), answer: answer.map(along) },
    { question: NOTHING, point: NOTHING, answer: NOTHING },
  );

describe('the likeness of what an answer means to what is asked and hoped for', () => {
  it('is 1 for the same meaning, and 0 for another', async () => {
    expect(await compare(0, [1], [0])).toMatchObject({ asked: 1, answered: 1, hoped: 0, points: [0] });
    expect(await compare(0, [1], [1])).toMatchObject({ asked: 0, answered: 0, hoped: 1, points: [1] });
  });

  it('takes the whole answer, and its nearest sentence', async () => {
    const { asked, answered, sentences } = await compare(0, [], [0, 7]);
    expect(asked).toBe(0.707);
    expect(answered).toBe(1);
    expect(sentences).toEqual([1, 0]);
  });

  it('hopes for nothing without a model answer', async () => {
    expect(await compare(0, [], [0])).toMatchObject({ hoped: null, points: [] });
  });
});
