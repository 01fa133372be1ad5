import { MeaningEngine } from './meaning-engine.js';

const never = new AbortController().signal;
const engine = new MeaningEngine({ memoryLimitMb: 600 });
const another = new MeaningEngine({ memoryLimitMb: 600 });
afterAll(() => Promise.all([engine.close(), another.close()]));

const dot = (one: Float32Array, other: Float32Array) => one.reduce((sum, value, at) => sum + value * other[at]!, 0);

async function likeness(one: string, other: string): Promise<number> {
  const [a, b] = await engine.encode([one, other], never);
  return dot(a!, b!);
}

describe('the sentence encoder', () => {
  // Computed once by TensorFlow.js from the same package.
  it.each([
    ['How old are you?', [0.03868532, 0.05044371, -0.04552362, 0.05607943]],
    ['A customer shouted at me because her invoice was wrong.', [-0.02235647, -0.05078492, 0.00145841, -0.06404473]],
  ])('gives for “%s” what TensorFlow.js gives', async (sentence, expected) => {
    const [vector] = await engine.encode([sentence], never);
    expected.forEach((value, at) => expect(vector![at]).toBeCloseTo(value, 5));
  });

  it('gives vectors of length 1, and of length 0 where there is no text', async () => {
    const [some, none] = await engine.encode(['The door was open.', ' '], never);
    expect(dot(some!, some!)).toBeCloseTo(1, 5);
    expect(dot(none!, none!)).toBe(0);
  });

  it.each([
    ['How old are you?', 'What is your age?', 'The cache keeps the rows in memory.'],
    ['I disagreed with a colleague about the plan.', 'We had an argument at work.', 'My phone is broken.'],
    ['We missed the deadline by a week.', 'The project was finished too late.', 'A queue hands out what came first.'],
  ])('finds “%s” nearer to “%s” than to “%s”', async (sentence, near, far) => {
    expect(await likeness(sentence, near)).toBeGreaterThan((await likeness(sentence, far)) + 0.1);
  });

  it('gives the same to the last digit, whatever it did before and in whichever process', async () => {
    const sentences = ['First I read the logs.', 'Then I asked the team.', 'In the end we fixed it.'];
    const forwards = await engine.encode(sentences, never);
    const backwards = await another.encode([...sentences].reverse(), never);
    expect(backwards.reverse()).toEqual(forwards);
  });

  it('leaves when it is told to', async () => {
    const abort = new AbortController();
    const long = Array.from({ length: 400 }, (_, at) => `This is sentence number ${at} of a long answer.`);
    const encoding = engine.encode(long, abort.signal);
    abort.abort(new Error('no longer wanted'));
    await expect(encoding).rejects.toThrow('no longer wanted');
    expect(await engine.encode(['And goes on.'], never)).toHaveLength(1);
  });

  it('is started again when it was killed', async () => {
    await engine.start();
    process.kill(engine.pid!, 'SIGKILL');
    expect(await engine.encode(['And goes on.'], never)).toHaveLength(1);
  });
});
