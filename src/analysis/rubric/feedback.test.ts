import type { Criterion, CriterionName } from '../scorer.js';
import type { Finding } from './criterion.js';
import { feedbackOf } from './feedback.js';

const scored = (name: CriterionName, score: number): Criterion => ({
  name,
  score,
  weight: 0.2,
  reason: '',
  evidence: [],
});
const advised = (...advice: string[]) => ({ advice }) as unknown as Finding;
const untouched = { kept: [], dropped: [], again: [] };

describe('feedback', () => {
  it('praises nothing that it also asks to change', () => {
    const slower = 'Slow down: you spoke 194 words a minute.';
    const criteria = [scored('delivery', 76), scored('relevance', 71), scored('depth', 2)];
    const findings = { delivery: advised(slower), relevance: advised(), depth: advised('Give your reasons.') };
    expect(feedbackOf(findings, criteria, untouched)).toEqual([
      'Give your reasons.',
      slower,
      'Keep staying as close to the question as you did here.',
    ]);
  });

  it('has two sentences at least, of what is best where nothing is to change', () => {
    const criteria = [scored('delivery', 95), scored('relevance', 97)];
    expect(feedbackOf({ delivery: advised(), relevance: advised() }, criteria, untouched)).toHaveLength(2);
  });
});
