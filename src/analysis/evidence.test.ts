import { findEvidence } from './evidence.js';

const TRANSCRIPT = 'I led the café project. We started over, twice. In the end it paid off.';
const SEGMENTS = [
  { start: 0, end: 4, text: 'I led the café project.' },
  { start: 5, end: 9, text: 'We started over, twice.' },
  { start: 10, end: 14, text: 'In the end it paid off.' },
];

describe('findEvidence', () => {
  it('gives a quote as it was said and when', () => {
    const evidence = findEvidence('We started over, twice.', TRANSCRIPT, SEGMENTS);
    expect(evidence).toEqual({ quote: 'We started over, twice', start: 5, end: 9 });
  });

  it.each(['i LED the cafe project', 'led… the café', 'I  led\nthe Café-project!'])(
    'finds %j in spite of its form',
    (quote) => {
      expect(TRANSCRIPT).toContain(findEvidence(quote, TRANSCRIPT, SEGMENTS)?.quote);
    },
  );

  it('keeps accents that are written as marks of their own', () => {
    const decomposed = TRANSCRIPT.normalize('NFD');
    expect(findEvidence('led the cafe', decomposed, [])?.quote).toBe('led the café'.normalize('NFD'));
  });

  it('spans the segments that a quote runs over', () => {
    expect(findEvidence('project. We started', TRANSCRIPT, SEGMENTS)).toMatchObject({ quote: 'project. We started' });
    const { start, end } = findEvidence('project. We started', TRANSCRIPT, SEGMENTS)!;
    expect(start).toBeGreaterThan(2);
    expect(start).toBeLessThan(4);
    expect(end).toBeGreaterThan(5);
    expect(end).toBeLessThan(9);
  });

  it('takes the longest part that was said of a quote with an ellipsis', () => {
    expect(findEvidence('We never did that ... in the end it paid off', TRANSCRIPT, SEGMENTS)?.quote).toBe(
      'In the end it paid off',
    );
  });

  it('finds whole words only', () => {
    expect(findEvidence('art', TRANSCRIPT, SEGMENTS)).toBeNull();
    expect(findEvidence('end', TRANSCRIPT, SEGMENTS)?.start).toBeGreaterThan(10);
  });

  it('finds nothing for what was not said, and for nothing', () => {
    for (const quote of ['I won a prize', '', '…', '!?']) expect(findEvidence(quote, TRANSCRIPT, SEGMENTS)).toBeNull();
  });

  it('has no times for written answers', () => {
    expect(findEvidence('paid off', TRANSCRIPT, [])).toEqual({ quote: 'paid off', start: null, end: null });
  });

  it('reads scripts without spaces', () => {
    const said = '我负责迁移项目。结果很好。';
    const segments = [
      { start: 0, end: 7, text: '我负责迁移项目。' },
      { start: 7, end: 11, text: '结果很好。' },
    ];
    expect(findEvidence('结果很好', said, segments)).toEqual({ quote: '结果很好', start: 7, end: 11 });
    expect(findEvidence('迁移', said, segments)?.quote).toBe('迁移');
  });

  it('takes time in proportion to the answer', () => {
    const sentence = 'Then I wrote down what had happened and told the others about it. ';
    const long = sentence.repeat(3000) + 'This is the very end.';
    const segments = [{ start: 0, end: 100, text: long }];
    const before = performance.now();
    for (let i = 0; i < 20; i++) findEvidence('This is the very end', long, segments);
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});
