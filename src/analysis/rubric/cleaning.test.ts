import type { Segment } from '../../transcription/transcriber.js';
import { clean } from './cleaning.js';
import { feedbackOf } from './feedback.js';
import { judgeDelivery } from './spoken.js';
import { withoutDropped } from './spoken-time.js';
import { readText } from './text.js';

const QUESTION = 'Tell me about a project that failed.';
const STORY = [
  'I led the rewrite of our billing at a small insurer.',
  'We had planned six months for it.',
  'After ten months nobody could use anything.',
  'So the board stopped it in March.',
  'I wrote a report of what went wrong.',
  'Today I ship within six weeks.',
];

const cleaned = async (text: string) => clean(await readText(text), QUESTION);

describe('what is said again', () => {
  it('earns nothing where it is a statement, and the candidate is told', async () => {
    const result = await cleaned([...STORY, STORY[1], STORY[1]].join(' '));
    expect(result.kept.map(({ text }) => text)).toEqual(STORY);
    expect(result.dropped.map(({ why }) => why)).toEqual(['said before', 'said before']);
    expect(feedbackOf({}, [], result).join(' ')).toContain('Say each thing once');
  });

  it('earns nothing where no capitals tell a sentence from the next either', async () => {
    const { kept, dropped } = await cleaned([...STORY, STORY[1], STORY[1]].join(' ').toLowerCase());
    expect([kept.length, dropped.length]).toEqual([STORY.length, 2]);
  });

  it.each(['Okay.', 'Um.', 'Right.', 'Um, um, um, um, um.', 'That was it.'])(
    'is how people speak where it is “%s”: it earns nothing more, and nobody is told to say it once',
    async (short) => {
      const result = await cleaned(STORY.map((sentence) => `${sentence} ${short}`).join(' '));
      expect(result.kept).toHaveLength(STORY.length + 1);
      expect(result.again.map(({ text }) => text)).toEqual(Array<string>(STORY.length - 1).fill(short));
      expect(result.dropped).toEqual([]);
      expect(feedbackOf({}, [], result).join(' ')).not.toContain('Say each thing once');
    },
  );
});

/** Each sentence of the story, then two seconds of silence, half a second of `between`, and two more; null is silence. */
function hesitant(between: (at: number) => string | null): Segment[] {
  let now = 0;
  return STORY.flatMap((text, at) => {
    const end = now + text.split(' ').length / 2.3;
    const segments = [{ start: now, end, text }];
    const filler = between(at);
    if (filler !== null) segments.push({ start: end + 2, end: end + 2.5, text: filler });
    now = end + 4.5;
    return segments;
  });
}

async function delivery(segments: readonly Segment[]) {
  const { kept, again } = await cleaned(segments.map(({ text }) => text).join(' '));
  return judgeDelivery(kept, withoutDropped(segments, QUESTION, new Set()), null, 'en', again);
}

describe('the time of what is said', () => {
  it('is no less for the same filler over and over than for different ones, nor is the delivery better', async () => {
    const same = await delivery(hesitant(() => 'Um.'));
    const different = await delivery(hesitant((at) => ['Um.', 'Uh.', 'Hmm.', 'Er.', 'Erm.', 'Uhm.'][at]!));
    const silent = await delivery(hesitant(() => null));
    expect(same.score).toBe(different.score);
    expect(same.score).toBeLessThanOrEqual(silent.score);
  });

  it('leaves out a statement that is said again, and the pause before it', () => {
    const segments = hesitant((at) => (at === 0 ? null : STORY[0]!));
    expect(withoutDropped(segments, QUESTION, new Set()).map(({ text }) => text)).toEqual(STORY);
  });
});
