import { countWords, CRITERION_WEIGHTS, tooLittleSpeech, totalScore, weightsFor } from './criteria.js';

const sum = (weights: object) => Object.values(weights).reduce((total: number, weight: number) => total + weight, 0);

describe('the weights of criteria', () => {
  it('add up to 1 for spoken and for written answers', () => {
    expect(sum(CRITERION_WEIGHTS)).toBeCloseTo(1, 12);
    expect(sum(weightsFor('audio'))).toBeCloseTo(1, 12);
    expect(sum(weightsFor('text'))).toBeCloseTo(1, 12);
  });

  it('leave delivery out of written answers and keep the rest in proportion', () => {
    const weights = weightsFor('text');
    expect(Object.keys(weights)).toEqual(['relevance', 'structure', 'specificity', 'depth']);
    expect(weights.relevance! / weights.structure!).toBeCloseTo(1.75, 2);
  });
});

describe('totalScore', () => {
  it('is the weighted mean with one decimal', () => {
    const criteria = [
      { score: 80, weight: 0.35 },
      { score: 61, weight: 0.65 },
    ];
    expect(totalScore(criteria)).toBe(67.7);
    expect(totalScore([{ score: 100, weight: 0.3889 }])).toBe(100);
  });
});

describe('tooLittleSpeech', () => {
  it('asks for twelve words', () => {
    const words = (count: number) => Array.from({ length: count }, () => 'word').join(' ');
    expect(tooLittleSpeech(words(11))).toMatch(/only 11 words; at least 12/);
    expect(tooLittleSpeech(words(12))).toBeNull();
  });

  it('says when there was no speech at all', () => {
    for (const nothing of ['', ' \n', '… !']) expect(tooLittleSpeech(nothing)).toMatch(/^No speech was found/);
  });

  it('counts words in scripts without spaces', () => {
    expect(countWords('我负责迁移项目，结果很好。')).toBeGreaterThan(4);
    expect(countWords("I don't know")).toBe(3);
  });
});
