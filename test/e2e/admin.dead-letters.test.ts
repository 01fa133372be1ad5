import { randomBytes } from 'node:crypto';
import { mongo } from 'mongoose';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile, serverError } from '../support/openai-behaviour.js';
import { type Caller, eventually, type Json, speech, type TestService } from '../support/service.js';

/** Bytes that nobody has sent before: a transcript of theirs is not remembered from an earlier answer. */
const audioOfItsOwn = (): Buffer => Buffer.concat([speech('reading.webm'), randomBytes(16)]);
const LETTERS = '/api/admin/dead-letters';

let running: ServiceWithEngine;
let service: TestService;
let engine: ServiceWithEngine['engine'];
let alice: Caller;
let root: Caller;

beforeAll(async () => {
  running = await startWithEngine();
  ({ service, engine } = running);
  alice = await service.user('alice');
  root = await service.user('root', 'admin');
});
afterAll(() => running.stop());
beforeEach(() => engine.reset());

interface Failed {
  id: string;
  session: string;
  bytes: Buffer;
}

/** An answer whose transcription failed for good; by default at once, since the engine refused the file. */
async function failed(by: Caller = alice, behaviours = [invalidFile], question = 'q1'): Promise<Failed> {
  engine.script(...behaviours);
  const session = await by.session([question]);
  const bytes = audioOfItsOwn();
  const { body } = await by.upload(session, question, bytes);
  await by.answer(session, question, (answer) => answer.transcription_status === 'failed');
  // The row changes first; its last attempt is recorded right after.
  await eventually(async () => {
    const attempts = service.db.collection('attempts');
    const ended = await attempts.countDocuments({ upload_id: new mongo.ObjectId(body.upload_id), outcome: 'failed' });
    expect(ended).toBeGreaterThan(0);
  });
  return { id: body.upload_id, session, bytes };
}

const letters = async (query: string): Promise<Json[]> => (await root.get(`${LETTERS}?${query}`)).body.items;
const idsOf = async (query: string) => (await letters(query)).map((letter) => letter.id);
const audio = async (id: string): Promise<string> => (await alice.get(`/api/uploads/${id}`)).body.audio;

/** As if the audio had been kept as long as failed audio is kept. */
async function expire(id: string): Promise<void> {
  const finished_at = new Date(Date.now() - 169 * 3_600_000);
  await service.db
    .collection('uploads')
    .updateOne({ _id: new mongo.ObjectId(id) }, { $set: { 'stages.transcription.finished_at': finished_at } });
  const { body } = await root.post('/api/admin/cleanup?hours=0');
  expect(body.files).toContainEqual(expect.objectContaining({ upload_id: id, reason: 'expired' }));
}

describe('the list of dead letters', () => {
  it('has a stage that used up its attempts, with every one of them', async () => {
    const { id, session } = await failed(alice, [serverError, serverError, serverError]);
    const [letter] = await letters(`session_id=${session}`);
    expect(letter).toMatchObject({
      id,
      kind: 'answer',
      user_id: 'alice',
      session_id: session,
      question_id: 'q1',
      stage: 'transcription',
      state: 'open',
      audio: 'stored',
      can_retry: true,
      obstacle: null,
      dismissed_at: null,
    });
    expect(letter.attempts.map((one: Json) => [one.number, one.outcome])).toEqual([
      [1, 'retry'],
      [2, 'retry'],
      [3, 'failed'],
    ]);
    for (const attempt of letter.attempts) {
      expect(attempt.error).toMatchObject({ code: letter.code, message: letter.message });
      expect(attempt.worker).toMatch(/:\d+:/);
      expect(Date.parse(attempt.from)).toBeLessThanOrEqual(Date.parse(attempt.to));
      expect(attempt.correlation_id).toBe(letter.correlation_id);
    }
  });

  it('is filtered by stage, code, user, session and time, and paged', async () => {
    const bob = await service.user('bob');
    const [one, two] = [await failed(bob), await failed(bob)];
    const [letter] = await letters(`session_id=${one.session}`);
    expect(await idsOf(`user_id=bob&stage=transcription&code=${letter.code}`)).toEqual([two.id, one.id]);
    expect(await idsOf('user_id=bob&stage=analysis')).toEqual([]);
    expect(await idsOf('user_id=bob&code=another_code')).toEqual([]);
    expect(await idsOf('user_id=bob&state=expired')).toEqual([]);
    expect(await idsOf('stage=analysis&state=expired')).toEqual([]);
    expect(await idsOf(`user_id=bob&since=${letter.failed_at}`)).toEqual([two.id, one.id]);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    expect(await idsOf(`user_id=bob&since=${tomorrow}`)).toEqual([]);

    const first = (await root.get(`${LETTERS}?user_id=bob&limit=1`)).body;
    expect(first).toMatchObject({ items: [{ id: two.id }], next_cursor: two.id });
    const last = (await root.get(`${LETTERS}?user_id=bob&limit=1&cursor=${first.next_cursor}`)).body;
    expect(last).toMatchObject({ items: [{ id: one.id }], next_cursor: null });
  });

  it('refuses filters that mean nothing', async () => {
    for (const query of ['stage=cooking', 'since=yesterday', 'code=No%20Code', 'session_id=a%20b', 'cursor=x']) {
      const { status, body } = await root.get(`${LETTERS}?${query}`);
      expect({ query, status, loc: body.detail[0].loc }).toEqual({
        query,
        status: 422,
        loc: ['query', query.split('=')[0]],
      });
    }
    expect((await root.get(`${LETTERS}?user_id[$ne]=x`)).body.items).toEqual((await root.get(LETTERS)).body.items);
  });
});

describe('a retry', () => {
  it('transcribes the same bytes under the same upload, and the letter is gone', async () => {
    const { id, session } = await failed();
    const { status, body } = await root.post(`${LETTERS}/${id}/retry`);
    expect({ status, body }).toEqual({ status: 200, body: { upload_id: id, stage: 'transcription', state: 'due' } });
    const answer = await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    expect(answer).toMatchObject({ id, transcription_error: null });
    expect(await idsOf(`session_id=${session}`)).toEqual([]);

    const again = await root.post(`${LETTERS}/${id}/retry`);
    expect(again.status).toBe(409);
    expect(again.body.detail).toBe('Nothing of this upload has failed, or not any more');
  });

  it('twice at once queues it once', async () => {
    const { id, session } = await failed();
    const replies = await Promise.all([1, 2, 3].map(() => root.post(`${LETTERS}/${id}/retry`)));
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 409, 409]);
    await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    expect(engine.requests).toHaveLength(2);
  });

  it('that fails again is a dead letter again, with the attempts of both rounds', async () => {
    const { id, session } = await failed();
    engine.script(invalidFile);
    await root.post(`${LETTERS}/${id}/retry`);
    await eventually(async () => {
      const [letter] = await letters(`session_id=${session}`);
      expect(letter.attempts.map((one: Json) => one.outcome)).toEqual(['failed', 'failed']);
    });
  });

  it('by filter takes a bounded number, the oldest first, and says what is left', async () => {
    const carol = await service.user('carol');
    const made = [await failed(carol), await failed(carol), await failed(carol)];
    const dismissed = await failed(carol);
    await root.delete(`${LETTERS}/${dismissed.id}`);
    const first = await root.post(`${LETTERS}/retry`, { user_id: 'carol', limit: 2 });
    expect(first).toMatchObject({
      status: 200,
      body: { retried: 2, remaining: 1, ids: [expect.anything(), expect.anything()] },
    });
    expect([...first.body.ids].sort()).toEqual([made[0]?.id, made[1]?.id].sort());
    const second = await root.post(`${LETTERS}/retry`, { user_id: 'carol', limit: 2 });
    expect(second.body).toEqual({ retried: 1, remaining: 0, ids: [made[2]?.id] });
    for (const { session } of made) {
      await carol.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    }
    expect((await root.post(`${LETTERS}/retry`, { user_id: 'carol' })).body).toEqual({
      retried: 0,
      remaining: 0,
      ids: [],
    });
    expect((await root.post(`${LETTERS}/retry`, { limit: 501 })).status).toBe(422);
    expect((await root.post(`${LETTERS}/retry`)).status).toBe(422);
  });

  it('with the same Idempotency-Key is answered as the first time', async () => {
    const { id, session } = await failed();
    const key = { 'idempotency-key': `retry-${id}` };
    const first = await root.post(`${LETTERS}/${id}/retry`, undefined, key);
    const again = await root.post(`${LETTERS}/${id}/retry`, undefined, key);
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body).toEqual(first.body);
    await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    expect(engine.requests).toHaveLength(2);
  });

  it('is refused with the reason when the audio has expired, and the letter is shown as closed', async () => {
    const { id, session, bytes } = await failed();
    await expire(id);
    const [letter] = await letters(`session_id=${session}`);
    expect(letter).toMatchObject({ state: 'expired', can_retry: false, audio: 'deleted' });
    const { status, body } = await root.post(`${LETTERS}/${id}/retry`);
    expect({ status, detail: body.detail }).toEqual({ status: 409, detail: letter.obstacle });
    expect(letter.obstacle).toMatch(/^Its audio is gone since .+ recorded again$/);
    expect(await idsOf(`session_id=${session}&state=expired`)).toEqual([id]);
    expect(await idsOf(`session_id=${session}&state=open`)).toEqual([]);
    // What the owner sees says that the file is gone, and the same bytes sent again are a new take.
    await alice.answer(session, 'q1', (answer) => answer.gridfs_file_id === null);
    const fresh = await alice.upload(session, 'q1', bytes);
    expect(fresh.body).toMatchObject({ duplicate: false });
    expect(fresh.body.upload_id).not.toBe(id);
    await alice.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
    expect(await idsOf(`session_id=${session}`)).toEqual([]);
  });
});

describe('a dismissal', () => {
  it('takes the letter off the list, says by whom, and its audio goes with the next cleanup', async () => {
    const { id, session } = await failed();
    const counted = async () => {
      const { body: metrics } = await root.get('/metrics');
      return Number(/vivavoce_queue_depth\{queue="transcription",state="failed"\} (\d+)/.exec(metrics as string)?.[1]);
    };
    const before = await counted();
    const { status, body } = await root.delete(`${LETTERS}/${id}`);
    expect(status).toBe(200);
    expect(await counted()).toBe(before - 1);
    expect(body).toMatchObject({ id, state: 'dismissed', dismissed_by: 'root', can_retry: false });
    expect(await idsOf(`session_id=${session}`)).toEqual([]);
    const retry = await root.post(`${LETTERS}/${id}/retry`);
    expect(retry).toMatchObject({
      status: 409,
      body: { detail: `It was dismissed by root at ${body.dismissed_at}` },
    });
    expect((await root.delete(`${LETTERS}/${id}`)).status).toBe(409);

    expect(await audio(id)).toBe('stored');
    const cleanup = await root.post('/api/admin/cleanup?hours=0');
    expect(cleanup.body.files).toContainEqual(expect.objectContaining({ upload_id: id, reason: 'dismissed' }));
    await eventually(async () => expect(await audio(id)).toBe('deleted'));
    await eventually(async () => expect(await service.strays()).toEqual([]));
  });

  it('is undone by the owner who sends the same bytes again', async () => {
    const { id, session, bytes } = await failed();
    await root.delete(`${LETTERS}/${id}`);
    expect((await alice.upload(session, 'q1', bytes)).body).toMatchObject({ upload_id: id, duplicate: true });
    await alice.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
  });
});

describe('an upload with two dead letters', () => {
  /** Scored and archived side by side, both in vain. */
  async function twice(): Promise<{ id: string; session: string }> {
    const { id, session } = await failed();
    const [now, later] = [new Date(Date.now() - 120_000), new Date(Date.now() - 60_000)];
    const ended = { attempts: 3, dispatch: 1, token: null, lease_until: null, worker: null, due_at: now };
    const stage = (finished_at: Date, code: string) => ({
      ...ended,
      state: 'failed',
      started_at: now,
      finished_at,
      error: { code, message: `It was ${code}.` },
    });
    await service.db.collection('uploads').updateOne(
      { _id: new mongo.ObjectId(id) },
      {
        $set: {
          'stages.transcription.state': 'done',
          'stages.analysis': stage(now, 'scorer_failed'),
          'stages.archive': stage(later, 'archive_altered'),
          transcript: { text: 'Yes.', segments: [], language: 'en', duration: 1, transcriber: 'x' },
        },
      },
    );
    return { id, session };
  }
  const stagesOf = async (query: string) => (await letters(query)).map(({ stage, code }) => [stage, code]);

  it('is listed with the one that the filter means', async () => {
    const { session } = await twice();
    const of = `session_id=${session}`;
    const [analysis, archive] = [
      ['analysis', 'scorer_failed'],
      ['archive', 'archive_altered'],
    ];
    expect(await stagesOf(of)).toEqual([analysis]);
    expect(await stagesOf(`${of}&stage=archive`)).toEqual([archive]);
    expect(await stagesOf(`${of}&code=archive_altered`)).toEqual([archive]);
    expect(await stagesOf(`${of}&since=${new Date(Date.now() - 90_000).toISOString()}`)).toEqual([archive]);
    await service.db.collection('uploads').updateOne({ session_id: session }, { $set: { audio_state: 'deleted' } });
    expect(await stagesOf(`${of}&state=open`)).toEqual([analysis]);
    expect(await stagesOf(`${of}&state=expired`)).toEqual([archive]);
  });

  it('has the other one once one is dismissed: that is listed then, and retried', async () => {
    const { id, session } = await twice();
    expect((await root.delete(`${LETTERS}/${id}`)).body).toMatchObject({ stage: 'analysis', state: 'dismissed' });
    expect(await stagesOf(`session_id=${session}`)).toEqual([['archive', 'archive_altered']]);
    expect(await stagesOf(`session_id=${session}&stage=analysis`)).toEqual([]);
    expect((await root.post(`${LETTERS}/${id}/retry`)).body).toMatchObject({ stage: 'archive', state: 'due' });
    expect((await root.post(`${LETTERS}/${id}/retry`)).body.detail).toMatch(/^It was dismissed by root/);
  });

  it('is queued again by hand with the one that is not dismissed', async () => {
    const { id } = await twice();
    await root.delete(`${LETTERS}/${id}`);
    const again = await root.post(`/api/admin/uploads/${id}/requeue`);
    expect(again).toMatchObject({ status: 200, body: { stage: 'archive', state: 'due' } });
  });

  it('is retried by filter where the filter means it', async () => {
    const { id, session } = await twice();
    const { body } = await root.post(`${LETTERS}/retry`, { session_id: session, stage: 'archive' });
    expect(body).toEqual({ retried: 1, remaining: 0, ids: [id] });
    expect(await stagesOf(`session_id=${session}`)).toEqual([['analysis', 'scorer_failed']]);
  });
});

describe('whoever is no admin', () => {
  it('sees and changes nothing', async () => {
    const { id, session } = await failed();
    const asked: [string, string][] = [
      ['GET', LETTERS],
      ['POST', `${LETTERS}/retry`],
      ['POST', `${LETTERS}/${id}/retry`],
      ['DELETE', `${LETTERS}/${id}`],
    ];
    for (const [method, path] of asked) {
      expect((await service.nobody().send(method, path)).status).toBe(401);
      expect((await alice.send(method, path)).status).toBe(403);
    }
    expect(await idsOf(`session_id=${session}`)).toEqual([id]);
    expect((await root.post(`${LETTERS}/not-an-id/retry`)).status).toBe(422);
    expect((await root.post(`${LETTERS}/000000000000000000000000/retry`)).status).toBe(404);
  });
});
