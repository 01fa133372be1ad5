import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { type Caller, eventually, fresh } from '../support/service.js';

const webm = () => fresh('reading.webm');

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

describe('the status of an answer', () => {
  it('is queued or processing, without a transcript, then completed with it', async () => {
    engine.script({ does: 'answer', delay: 400, text: 'What was said, in a sentence of some length.' });
    const session = await alice.session(['q1']);
    await alice.upload(session, 'q1', webm());
    await engine.seen(1);
    const during = await eventually(async () => {
      const reply = await alice.get(`/api/transcription-status/${session}/q1`);
      expect(reply.body.status).toBe('processing');
      return reply;
    });
    expect([during.status, during.body]).toEqual([200, { status: 'processing', question_id: 'q1', transcript: null }]);
    await alice.answer(session, 'q1');
    expect((await alice.get(`/api/transcription-status/${session}/q1`)).body).toEqual({
      status: 'completed',
      question_id: 'q1',
      transcript: 'What was said, in a sentence of some length.',
    });
  });

  it('has the error, in words, when it failed', async () => {
    engine.script(invalidFile);
    const session = await alice.session(['q1']);
    await alice.upload(session, 'q1', webm());
    await alice.answer(session, 'q1');
    const { body } = await alice.get(`/api/transcription-status/${session}/q1`);
    expect(body).toEqual({
      status: 'failed',
      question_id: 'q1',
      transcript: null,
      error: expect.stringMatching(/^The speech engine refused this answer: Invalid file format/),
    });
  });
});

describe('the status of a session', () => {
  it('counts its answers by state, and has the status of each', async () => {
    engine.script(invalidFile, { does: 'answer', text: 'Done.' }, { does: 'hang' });
    const session = await alice.session(['q1', 'q2', 'q3', 'q4']);
    await alice.upload(session, 'q1', webm());
    await alice.answer(session, 'q1');
    await alice.upload(session, 'q2', webm());
    await alice.answer(session, 'q2');
    await alice.upload(session, 'q3', webm());
    await eventually(async () => {
      const { status, body } = await alice.get(`/api/transcription-status/${session}`);
      expect(status).toBe(200);
      expect(body).toEqual({
        session_id: session,
        summary: { total: 3, completed: 1, processing: 1, queued: 0, failed: 1 },
        questions: {
          q1: { status: 'failed', question_id: 'q1', transcript: null, error: expect.any(String) },
          q2: { status: 'completed', question_id: 'q2', transcript: 'Done.' },
          q3: { status: 'processing', question_id: 'q3', transcript: null },
        },
      });
    });
    await alice.delete(`/api/sessions/${session}`);
  });

  it('of a session without answers is empty', async () => {
    const session = await alice.session(['q1']);
    expect((await alice.get(`/api/transcription-status/${session}`)).body).toEqual({
      session_id: session,
      summary: { total: 0, completed: 0, processing: 0, queued: 0, failed: 0 },
      questions: {},
    });
  });

  it('has an ETag that stays while nothing changes, and 304 without a body for who has it', async () => {
    const session = await alice.session(['q1', 'q2']);
    const path = `/api/transcription-status/${session}`;
    const empty = (await alice.get(path)).headers.get('etag')!;
    expect(empty).toMatch(/^"[^"]+"$/);
    await alice.upload(session, 'q1', webm());
    await alice.answer(session, 'q1');
    const first = await alice.get(path, { 'if-none-match': empty });
    expect(first.status).toBe(200);
    const etag = first.headers.get('etag')!;
    expect(etag).not.toBe(empty);
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const same = await alice.get(path, { 'if-none-match': header });
      expect([header, same.status, same.body, same.headers.get('etag')]).toEqual([header, 304, '', etag]);
    }
    await alice.post(`/api/text-answer/${session}/q2`, { text: 'Another.' });
    const changed = await alice.get(path, { 'if-none-match': etag });
    expect([changed.status, changed.body.summary.total]).toEqual([200, 2]);
    expect(changed.headers.get('cache-control')).toContain('private');
  });

  it("another user's ETag gets nobody in", async () => {
    const session = await alice.session(['q1']);
    const path = `/api/transcription-status/${session}`;
    const etag = (await alice.get(path)).headers.get('etag')!;
    const mallory = await running.service.user('mallory');
    expect((await mallory.get(path, { 'if-none-match': etag })).status).toBe(404);
    expect((await mallory.get(path, { 'if-none-match': '*' })).status).toBe(404);
  });
});
