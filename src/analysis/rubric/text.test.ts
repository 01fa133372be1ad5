import { cpuSeconds } from '../../../test/support/cpu.js';
import { evidenceOf } from './evidence-times.js';
import { judgeSpecificity } from './specificity.js';
import { readQuestion } from './question.js';
import { readText, splitSentences } from './text.js';

/** Texts with a bar where a sentence ends. */
const TEXTS = [
  'I called Dr. Patel. | He agreed with Prof. Lee.',
  'I told Mr. Smith and Mrs. Jones of St. Mary’s that room No. 5 was open. | No. | I did not wait.',
  'I check the stock, e.g. the warehouse vs. the shop, i.e. what sells at 3.5 million. | Then I order.',
  'We sell paper, ink, etc. to schools. | We sell pens, etc. | Then we deliver.',
  'The U.S. Army came to the U.S. site. | I moved to the U.S. | We sold it.',
  'J. K. Miller led it. | So did I. | Maria took plan B. | It worked.',
  'I waited for… | Really? | Yes! | It was approx. five.',
  'i led the team. | we shipped it on time. | it was good. | i paid ten euros, etc. and left.',
];

describe('a text is cut', () => {
  it.each(TEXTS)('where its sentences end: “%s”', (marked) => {
    expect(splitSentences(marked.replaceAll(' | ', ' '))).toEqual(marked.split(' | '));
  });

  it('where a line ends', () => {
    expect(splitSentences('A list of\nthings\n\nwithout stops')).toEqual(['A list of', 'things', 'without stops']);
  });

  it('so that evidence holds the whole sentence', async () => {
    const text = 'It was an ordinary day. I called Dr. Patel in ward 5 and asked for 40 mg. It was calm again.';
    const { rests } = judgeSpecificity(await readText(text), readQuestion('What did you do?'));
    expect(evidenceOf(rests[0]!, text, []).quote).toBe('I called Dr. Patel in ward 5 and asked for 40 mg');
  });

  it.each(['a', ' ', '.', '. ', 'e.g. ', 'U.S. ', 'a.', '\n', '… b ', 'Dr. '])(
    'in time by its length: “%s” over and over',
    async (piece) => {
      const text = piece.repeat(20_000 / piece.length);
      expect(await cpuSeconds(() => splitSentences(text))).toBeLessThan(1);
    },
  );
});
