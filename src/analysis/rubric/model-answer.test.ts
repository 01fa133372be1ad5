import { coverage, readModelAnswer } from './model-answer.js';
import { readSentence } from './text.js';
import { topicsOf } from './topics.js';

const MODEL =
  'Measure the query with the plan. Add an index on the filtered column. Watch the writes, since they become slower.';
const saying = (text: string) => topicsOf([readSentence(text)]);

describe('the points of a model answer', () => {
  it('are its sentences that tell something', async () => {
    const model = await readModelAnswer(`${MODEL} And so on.`);
    expect(model?.points.map(({ text }) => text)).toEqual(MODEL.split(/(?<=\.) /));
  });

  it.each([null, '', 'And so on.'])('are none for %j', async (text) => {
    expect(await readModelAnswer(text)).toBeNull();
  });

  it('are made by who says them, once however often', async () => {
    const model = (await readModelAnswer(MODEL))!;
    const once = coverage(model, saying('I would add an index on that column'));
    expect(once).toMatchObject({ made: 1, all: 3 });
    expect(once.missed).toHaveLength(2);
    expect(coverage(model, saying('an index on that column, an index, an index, a column'))).toEqual(
      coverage(model, saying('an index on that column')),
    );
    expect(coverage(model, saying(MODEL))).toMatchObject({ share: 1, made: 3, missed: [] });
  });

  it('reads no more of a long one than is needed', async () => {
    const model = await readModelAnswer('The carrier scans the parcel at the depot. '.repeat(500));
    expect(model!.points.length).toBeLessThan(200);
  });
});
