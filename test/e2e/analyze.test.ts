import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { END, filePart, RawUpload } from '../support/raw-upload.js';
import { type Caller, eventually, type Json, fresh } from '../support/service.js';

const webm = () => fresh('reading.webm');
const MUMBLE = 'Well.';
const GOOD =
  'When our payment provider went down last year, I led the response. I set up a queue for the failed charges, ' +
  'told support what to say, and wrote the retry job in two hours. We lost no order, and 4,000 payments went through.';

let running: ServiceWithEngine;
let engine: ServiceWithEngine['engine'];
let alice: Caller;

beforeAll(async () => {
  running = await startWithEngine();
  engine = running.engine;
  alice = await running.service.user('alice');
});
afterAll(() => running.stop());
beforeEach(() => engine.reset());

const analyze = (session: string, caller = alice) => caller.post(`/api/analyze/${session}`);
const write = (session: string, question: string, text: string) =>
  alice.post(`/api/text-answer/${session}/${question}`, { text });

describe('analyze', () => {
  it('of a session without answers is a 409', async () => {
    const session = await alice.session(['q1']);
    const { status, body } = await analyze(session);
    expect([status, body]).toEqual([409, { detail: expect.stringMatching(/no answers/i) }]);
  });

  it('while transcriptions are under way says how many, and when to ask again', async () => {
    engine.otherwise({ does: 'hang' });
    const session = await alice.session(['q1', 'q2']);
    await Promise.all([alice.upload(session, 'q1', webm()), alice.upload(session, 'q2', webm())]);
    await engine.seen(2);
    const { status, headers, body } = await eventually(async () => {
      const reply = await analyze(session);
      expect(reply.body.processing_count).toBe(2);
      return reply;
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'transcription_pending',
      stage: 'transcription',
      message: 'Waiting for 2 transcriptions to complete',
      pending_count: 0,
      processing_count: 2,
      retry_after: expect.any(Number),
    });
    expect(body.retry_after).toBeGreaterThanOrEqual(1);
    expect(body.retry_after).toBeLessThanOrEqual(30);
    expect(headers.get('retry-after')).toBe(String(body.retry_after));
    await alice.delete(`/api/sessions/${session}`);
  });

  it('counts each answer that waits once, and one whose next take is arriving too', async () => {
    const { service: api, stop } = await startWithEngine('api');
    const bob = await api.user('bob');
    const session = await bob.session(['q1', 'q2']);
    await bob.upload(session, 'q1', webm());
    await bob.upload(session, 'q2', webm());
    const upload = await RawUpload.begin(bob, `/api/upload-answer/${session}/q2`, null);
    await upload.write(filePart());
    await upload.write(webm());
    await eventually(async () => expect(await api.rows(session)).toHaveLength(3));
    expect((await analyze(session, bob)).body).toEqual({
      status: 'transcription_pending',
      stage: 'transcription',
      message: 'Waiting for 2 transcriptions to complete',
      pending_count: 2,
      processing_count: 0,
      retry_after: 5,
    });
    upload.hangUp();
    await stop();
  });

  it('does not take a written answer for a transcription that is due', async () => {
    const { service: api, stop } = await startWithEngine('api', { ANALYZE_WAIT_S: '0.1' });
    const bob = await api.user('bob');
    const session = await bob.session(['q1']);
    await bob.post(`/api/text-answer/${session}/q1`, { text: GOOD });
    expect((await analyze(session, bob)).body).toMatchObject({
      stage: 'analysis',
      pending_count: 0,
      processing_count: 1,
    });
    await stop();
  });

  it('counts an upload that is still arriving as pending, and no longer when it has gone wrong', async () => {
    const session = await alice.session(['q1', 'q2']);
    await write(session, 'q1', GOOD);
    await alice.answer(session, 'q1');
    const upload = await RawUpload.begin(alice, `/api/upload-answer/${session}/q2`, null);
    await upload.write(filePart());
    await upload.write(webm().subarray(0, 20_000));
    await eventually(async () => {
      expect((await analyze(session)).body).toMatchObject({
        status: 'transcription_pending',
        stage: 'transcription',
        message: 'Waiting for 1 transcription to complete',
        pending_count: 1,
        processing_count: 0,
      });
    });
    upload.hangUp();
    await eventually(async () => {
      expect((await analyze(session)).body).toMatchObject({ status: 'success', scored_count: 1, missing: ['q2'] });
    });
  });

  it('counts an upload that arrives in the end', async () => {
    const session = await alice.session(['q1']);
    const upload = await RawUpload.begin(alice, `/api/upload-answer/${session}/q1`, null);
    await upload.write(filePart());
    await upload.write(webm());
    await eventually(async () => expect((await analyze(session)).body.pending_count).toBe(1));
    await upload.write(END);
    upload.finish();
    expect((await upload.reply()).status).toBe(200);
    await eventually(async () => expect((await analyze(session)).body).toMatchObject({ scored_count: 1 }));
  });

  it('waits for scoring that is under way, and then gives the score', async () => {
    const session = await alice.session(['q1']);
    await write(session, 'q1', GOOD);
    const { body } = await analyze(session);
    expect(body).toMatchObject({ status: 'success', scored_count: 1, failed_count: 0 });
    expect(body.answers[0].score).toBe(body.final_score);
  });

  it('adds up by weight what was scored, and lists what was not answered', async () => {
    const questions = [
      { id: 'q1', text: 'Tell me about a time when a system you were responsible for failed.', weight: 3 },
      { id: 'q2', text: 'Which colours do you like to paint your kitchen in?', weight: 1 },
      { id: 'q3', text: 'Why?', weight: 5 },
      { id: 'q4', text: 'What was hard?', weight: 0 },
    ];
    const session = await alice.session([], { questions });
    for (const id of ['q1', 'q2', 'q4']) await write(session, id, GOOD);
    const { body } = await analyze(session);
    const scores = Object.fromEntries(body.answers.map((answer: Json) => [answer.question_id, answer.score]));
    expect(scores.q1).toBeGreaterThan(scores.q2);
    expect(body).toMatchObject({ status: 'success', scored_count: 3, missing: ['q3'] });
    expect(body.final_score).toBe(Math.round(((3 * scores.q1 + scores.q2) / 4) * 10) / 10);
    const shown = (await alice.get(`/api/sessions/${session}`)).body;
    expect(shown).toMatchObject({ final_score: body.final_score, analyzed_at: expect.any(String) });
    expect((await analyze(session)).body).toEqual(body);
  });

  it('is not held up by a failed transcription, nor by an answer that cannot be scored', async () => {
    engine.script(invalidFile, { does: 'answer', text: MUMBLE });
    const session = await alice.session(['q1', 'q2', 'q3']);
    await alice.upload(session, 'q1', webm());
    await alice.answer(session, 'q1');
    await alice.upload(session, 'q2', webm());
    await write(session, 'q3', GOOD);
    await alice.answer(session, 'q2');
    const { body } = await analyze(session);
    expect(body).toMatchObject({ scored_count: 1, failed_count: 1, not_scorable_count: 1, missing: [] });
    const byId = Object.fromEntries(body.answers.map((answer: Json) => [answer.question_id, answer]));
    expect(body.final_score).toBe(byId.q3.score);
    expect(byId.q1).toMatchObject({ transcription_status: 'failed', score: null });
    expect(byId.q2).toMatchObject({ transcript: MUMBLE, score: null, not_scorable: expect.stringMatching(/\w+ \w+/) });
  });

  it('of answers that all cannot be scored has no final score, and not a score of 0', async () => {
    engine.script({ does: 'answer', text: MUMBLE });
    const session = await alice.session(['q1']);
    await alice.upload(session, 'q1', webm());
    await alice.answer(session, 'q1');
    expect((await analyze(session)).body).toMatchObject({
      status: 'success',
      final_score: null,
      scored_count: 0,
      failed_count: 0,
      not_scorable_count: 1,
    });
  });

  it('after a new take gives the new score', async () => {
    const session = await alice.session(['q1']);
    await write(session, 'q1', MUMBLE);
    expect((await analyze(session)).body.final_score).toBeNull();
    await write(session, 'q1', GOOD);
    expect((await analyze(session)).body.final_score).toEqual(expect.any(Number));
  });

  it('by ten callers at once gives all of them the same', async () => {
    const session = await alice.session(['q1']);
    await write(session, 'q1', GOOD);
    const replies = await Promise.all(Array.from({ length: 10 }, () => analyze(session)));
    for (const reply of replies) expect(reply.body).toMatchObject({ status: 'success', scored_count: 1 });
    expect(new Set(replies.map((reply) => reply.body.final_score)).size).toBe(1);
  });
});

describe('analyze with scoring that takes longer than it waits', () => {
  let slow: ServiceWithEngine;
  beforeAll(async () => {
    slow = await startWithEngine('all', { SCORER: 'openai', ANALYZE_WAIT_S: '0.3' });
  });
  afterAll(() => slow.stop());

  it('answers in the pending shape, of the stage analysis, and counts a scoring that fails for good', async () => {
    slow.engine.script({ does: 'answer', text: GOOD }, { does: 'hang' });
    const bob = await slow.service.user('bob');
    const session = await bob.session(['q1']);
    await bob.upload(session, 'q1', webm());
    await bob.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
    const { headers, body } = await analyze(session, bob);
    expect(body).toEqual({
      status: 'transcription_pending',
      stage: 'analysis',
      message: 'Waiting for 1 score to complete',
      pending_count: 0,
      processing_count: 1,
      retry_after: expect.any(Number),
    });
    expect(headers.get('retry-after')).toBe(String(body.retry_after));
    await bob.delete(`/api/sessions/${session}`);

    slow.engine.reset();
    slow.engine.script({ does: 'answer', text: GOOD }, { does: 'fail', status: 400, message: 'No.' });
    const other = await bob.session(['q1']);
    await bob.upload(other, 'q1', webm());
    await eventually(async () => {
      expect((await analyze(other, bob)).body).toMatchObject({
        status: 'success',
        final_score: null,
        scored_count: 0,
        failed_count: 1,
      });
    });
  });
});
