import { readModelAnswer } from './model-answer.js';
import { readQuestion } from './question.js';
import { judgeRelevance } from './relevance.js';
import { readText } from './text.js';

const QUESTION = readQuestion('How do you keep a garden watered in a dry summer?');
const ANSWER =
  'I collect rain from the roof in three barrels, because the tap is metered. In July I mulch the beds with straw, and a drip hose runs ' +
  'for half an hour before sunrise. The tomatoes stand in the shade of the beans.';
const MODEL = 'Collects rain in barrels. Covers the soil with mulch. Waters early in the day.';

/** Judged as if every sentence were so near in meaning to question and model answer. */
async function judged(like: number, { text = ANSWER, guided = false } = {}) {
  const model = guided ? await readModelAnswer(MODEL) : null;
  const kept = await readText(text);
  const points = (model?.points ?? []).map(() => like);
  const sentences = kept.map(() => like);
  const likeness = { asked: like, answered: like, hoped: guided ? like : null, points, sentences };
  return judgeRelevance({ kept, again: [] }, QUESTION, model, likeness);
}

describe('an answer of little relevance', () => {
  it('is in doubt, and not accused, where no model answer tells what was hoped for', async () => {
    const { score, reason, advice, elsewhere } = await judged(-0.1);
    expect(score).toBeLessThan(42);
    expect(reason).toMatch(/could not be matched to the question.*a model answer would make it surer/);
    expect(advice.join(' ')).toMatch(/could not be matched/);
    expect(advice.join(' ')).not.toContain('Answer what was asked');
    expect(elsewhere).toBe(false);
  });

  it('is in doubt where the model answer does not tell it surely either', async () => {
    const { score, reason, advice } = await judged(0.12, { guided: true });
    expect(score).toBeLessThan(42);
    expect(reason).toContain('could not be matched to the question');
    expect(advice.join(' ')).not.toContain('Answer what was asked');
  });

  it('is told to answer the question where question and model answer are both far from it', async () => {
    const { score, reason, advice, elsewhere } = await judged(-0.1, { guided: true });
    expect(score).toBeLessThan(5);
    expect(reason).toContain('little in this answer is near to the question');
    expect(advice.join(' ')).toContain('Answer what was asked');
    expect(elsewhere).toBe(true);
  });

  it('says too little where what it says is near', async () => {
    const { score, reason } = await judged(0.6, {
      text: 'Um, you know, stuff, I water it, um, I guess, or something.',
    });
    expect(score).toBeLessThan(42);
    expect(reason).toContain('says too little');
  });
});

describe('an answer near to the question', () => {
  it('stays with it', async () => {
    const { score, reason } = await judged(0.6);
    expect(score).toBeGreaterThanOrEqual(70);
    expect(reason).toContain('stays with the question');
  });
});

describe('fillers that come again', () => {
  it('count against what is said as different ones do, and short sentences that come again for nothing', async () => {
    const likeness = { asked: 0.6, answered: 0.6, hoped: null, points: [], sentences: [0.6] };
    const kept = await readText('We water the beans and the tomatoes with rain from the roof. Um.');
    const score = async (again: string) =>
      judgeRelevance({ kept, again: await readText(again) }, QUESTION, null, likeness).score;
    const without = await score('');
    expect(await score('Um. Um. Um. Um.')).toBeLessThan(without);
    expect(await score('Okay. Okay. Okay. Okay.')).toBe(without);
  });
});
