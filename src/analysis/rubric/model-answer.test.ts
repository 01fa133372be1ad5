import { coverage, readModelAnswer } from './model-answer.js';

const MODEL =
  'Measure the query with the plan. Add an index on the filtered column. Watch the writes, since they become slower.';

describe('the points of a model answer', () => {
  it('are its sentences that tell something', async () => {
    const model = await readModelAnswer(`${MODEL} And so on.`);
    expect(model?.points.map(({ text }) => text)).toEqual(MODEL.split(/(?<=\.) /));
  });

  it.each([null, '', 'And so on.'])('are none for %j', async (text) => {
    expect(await readModelAnswer(text)).toBeNull();
  });

  it('are made where a sentence of the answer is near to them', async () => {
    const model = (await readModelAnswer(MODEL))!;
    expect(coverage(model, [0.02, 0.6, 0.15])).toMatchObject({ made: 1, all: 3 });
    expect(coverage(model, [0.02, 0.6, 0.15]).missed).toHaveLength(2);
    expect(coverage(model, [0.5, 0.6, 0.9])).toMatchObject({ share: 1, made: 3, missed: [] });
    expect(coverage(model, [-0.1, 0, 0])).toMatchObject({ share: 0, made: 0 });
  });

  it('reads no more of a long one than is needed', async () => {
    const model = await readModelAnswer('The carrier scans the parcel at the depot. '.repeat(500));
    expect(model!.points.length).toBeLessThan(200);
  });
});
