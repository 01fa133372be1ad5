import { startWithEngine, type ServiceWithEngine } from '../support/engine.js';
import { serverError } from '../support/openai-behaviour.js';
import { type Caller, eventually, fresh, type Json } from '../support/service.js';

/** Failures in a row after which the engine is left alone. */
const FAILURES = 5;

let running: ServiceWithEngine;
let alice: Caller;

async function start(environment: Record<string, string>): Promise<void> {
  running = await startWithEngine('all', environment);
  running.engine.otherwise(serverError);
  alice = await running.service.user('alice');
}
afterEach(() => running.stop());
const service = () => running.service;

const TEXT =
  'The nightly import failed twice a week, so I traced it, found a lock that two jobs shared, and split it in two.';

/** Sends an answer, and gives back its id. */
async function send(session: string, question: string): Promise<string> {
  return (await alice.upload(session, question, fresh('answer-0870.webm'))).body.upload_id as string;
}

describe('an engine that fails again and again', () => {
  it('is left alone, and the model in the box transcribes', async () => {
    await start({ TRANSCRIBER_FALLBACK: 'local', STAGE_ATTEMPTS: String(FAILURES), OPENAI_REST_S: '600' });
    const session = await alice.session(['q1', 'q2']);
    for (const question of ['q1', 'q2']) {
      await send(session, question);
      const answer = await alice.answer(session, question);
      expect(answer).toMatchObject({
        transcription_status: 'completed',
        transcriber: expect.stringMatching(/^local\//),
      });
      expect(answer.transcript).toMatch(/Dashwood/i);
      expect(running.engine.requests).toHaveLength(FAILURES);
    }
  });

  it('scores, once it is back, what it was not asked for meanwhile, and what it failed on when that is sent again', async () => {
    await start({ SCORER: 'openai', STAGE_ATTEMPTS: '1', OPENAI_REST_S: '0.3', ANALYSIS_TIMEOUT_S: '10' });
    const { engine } = running;
    const session = await alice.session();
    const write = (question: string) =>
      alice.post(`/api/text-answer/${session}/${question}`, { text: `${TEXT} That was ${question}.` });
    const upload = async (question: string): Promise<Json> => {
      const { body } = await alice.get(`/api/uploads?session_id=${session}`);
      return (body.items as Json[]).find((item) => item.question_id === question);
    };
    for (let i = 0; i < FAILURES; i++) {
      await write(`failed-${i}`);
      await eventually(async () => expect((await upload(`failed-${i}`)).status).toBe('failed'));
    }
    engine.script({ does: 'hang' });
    await write('trial');
    await engine.seen(FAILURES + 1);
    engine.otherwise({ does: 'answer' });
    await write('waits');
    await eventually(async () => {
      const { body } = await alice.get(`/api/uploads/${(await upload('waits')).upload_id}`);
      expect(body.stages[0].history[0]).toMatchObject({ outcome: 'retry', error: { code: 'engine_circuit_open' } });
    });
    const scored = (answer: Json) => answer.score !== null;
    await alice.answer(session, 'waits', scored);
    expect((await alice.answer(session, 'failed-0', () => true)).score).toBeNull();
    expect((await write('failed-0')).body).toMatchObject({ status: 'completed' });
    await alice.answer(session, 'failed-0', scored);
    expect((await service().rows(session)).filter(({ state }) => state === 'committed')).toHaveLength(FAILURES + 2);
  });

  it('costs an answer that it is not asked for no attempt, however often that is, and has it when it is back', async () => {
    await start({ STAGE_ATTEMPTS: '1', OPENAI_REST_S: '0.3', TRANSCRIPTION_TIMEOUT_S: '10' });
    const { engine } = running;
    const session = await alice.session();
    for (let i = 0; i < FAILURES; i++) {
      await send(session, `failed-${i}`);
      await alice.answer(session, `failed-${i}`);
    }
    engine.script({ does: 'hang' });
    await send(session, 'trial');
    await engine.seen(FAILURES + 1);
    engine.otherwise({ does: 'answer' });
    const id = await send(session, 'waits');
    const stage = async (): Promise<Json> => (await alice.get(`/api/uploads/${id}`)).body.stages[0];
    await eventually(async () => {
      const [left] = (await stage()).history as Json[];
      expect(left).toMatchObject({ outcome: 'retry', error: { code: 'engine_circuit_open' } });
      expect(left.times).toBeGreaterThanOrEqual(3);
    });
    expect(await alice.answer(session, 'waits')).toMatchObject({ transcriber: 'openai/whisper-1' });
    expect(await stage()).toMatchObject({ state: 'done', attempts: 1 });
  });
});
