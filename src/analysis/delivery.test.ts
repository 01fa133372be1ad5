import { cpuSeconds } from '../../test/support/cpu.js';
import { countFillers, measureDelivery } from './delivery.js';
import { judgeDelivery } from './rubric/spoken.js';
import { readText } from './rubric/text.js';

const spokenIn = (seconds: number, text: string) => [{ start: 0, end: seconds, text }];

/** How an answer is judged whose times nothing is known of but the length of the audio. */
async function judged(text: string, seconds: number, language: string | null) {
  return judgeDelivery(await readText(text), spokenIn(seconds, text), seconds, language);
}

describe('fillers', () => {
  it.each([
    ['Um, I, uh, went there, erm, in, like, June.', 4],
    ['It was, you know, kind of late and it sort of worked.', 3],
    ['I went to er the shop. Mm. Uhm.', 3],
    ['UM I WENT THERE ER LATE', 2],
  ])('are counted in “%s”: %d', (text, count) => {
    expect(countFillers(text)).toBe(count);
  });

  it.each([
    'I worked in the ER for five years.',
    'We cut a 5 mm plate, a 3mm gap and a few mm of air.',
    'I would rather err on the side of caution, since to err is human.',
    'I ask what kind of customer it is, and what sort of problem.',
    'This kind of fault, or a rare kind of fault, is the sort of thing I like.',
  ])('are none in “%s”', (text) => {
    expect(countFillers(text)).toBe(0);
  });

  it.each([
    ['de', 'Er hat um acht Uhr um Hilfe gebeten, und er war um neun Uhr da, weil er um die Frist wusste.'],
    ['pt', 'Eu trabalhei com um cliente, um gerente e um projeto em um prazo curto.'],
    [null, 'Letztes Jahr hatte ich mit einem Kollegen einen Streit über den Zeitplan, und er hat mich um Rat gefragt.'],
  ])('of other languages are not known: %s', async (language, text) => {
    const { score, reason, advice } = await judged(text, text.split(' ').length / 2.3, language);
    expect(reason).not.toMatch(/filler/);
    expect(advice.join(' ')).not.toContain('um');
    expect(score).toBeGreaterThan(75);
  });

  it.each(['en', 'en-GB', null])('of English are, in %s', async (language) => {
    const { reason } = await judged('Um, I went there with my team and, um, it was good.', 5, language);
    expect(reason).toContain('2 fillers in 12 words');
  });
});

describe('words', () => {
  const chinese =
    '我在上一家公司负责一个大型的数据库迁移项目。当时我们的时间非常紧张，只有三个星期。我首先分析了所有的表，然后写了迁移脚本，最后在周末完成了切换。';
  const hindi = 'मैंने पिछली कंपनी में एक बड़े डेटाबेस को स्थानांतरित करने की परियोजना का नेतृत्व किया और हमारे पास केवल तीन सप्ताह थे।';

  it('are counted where no spaces part them', () => {
    const { words, wordsPerMinute } = measureDelivery(spokenIn(20, chinese), 20, chinese, false);
    expect(words).toBeGreaterThan(35);
    expect(wordsPerMinute).toBeGreaterThan(105);
  });

  it('are not parted by the marks on their letters', () => {
    expect(measureDelivery([], null, hindi, false).words).toBe(hindi.split(' ').length);
  });
});

describe('pauses', () => {
  const text = 'I led the team and we shipped the product on time without any trouble at all.';

  it('are not spoken of where one piece stands for all of the audio, and are not taken for none', async () => {
    const { score, reason, advice } = await judged(text, 7, 'en');
    expect(reason).not.toMatch(/pause/);
    expect(score).toBeLessThan(100);
    expect(advice).toEqual([]);
  });

  it('are none between two pieces that follow each other', async () => {
    const segments = [
      { start: 0, end: 4, text: text.slice(0, 40) },
      { start: 4.2, end: 7, text: text.slice(40) },
    ];
    const { score, reason } = judgeDelivery(await readText(text), segments, 7, 'en');
    expect(reason).toContain('no long pauses');
    expect(score).toBe(100);
  });

  it('are none in the only piece that an engine found speech in', async () => {
    const { score, reason } = judgeDelivery(await readText(text), [{ start: 0.3, end: 6.8, text }], 7, 'en');
    expect(reason).toContain('no long pauses');
    expect(score).toBe(100);
  });

  it('are unknown like all else where there are no times', async () => {
    const { score, reason } = judgeDelivery(await readText('Ich war dort und habe es gesehen.'), [], null, 'de');
    expect(reason).toMatch(/not known/);
    expect(score).toBe(50);
  });
});

it.each(['um ', 'what kind of ', 'a b kind of ', 'to err ', 'like, ', '5 mm ', 'a'])(
  'delivery is measured in time by the length of the text: “%s” over and over',
  async (piece) => {
    const text = piece.repeat(20_000 / piece.length);
    expect(await cpuSeconds(() => measureDelivery([], 60, text, true))).toBeLessThan(1);
  },
);
