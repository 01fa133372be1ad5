import { randomBytes } from 'node:crypto';
import { mongo } from 'mongoose';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { type Caller, eventually, type Json, speech, type TestService } from '../support/service.js';

/** Bytes that nobody has sent before: a transcript of theirs is not remembered from an earlier answer. */
const audioOfItsOwn = (): Buffer => Buffer.concat([speech('reading.webm'), randomBytes(16)]);
const UPLOADS = '/api/admin/uploads';

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

const search = async (query: string): Promise<Json[]> => (await root.get(`${UPLOADS}?${query}`)).body.items;
const idsOf = async (query: string) => (await search(query)).map((upload) => upload.upload_id);
const byId = (id: string) => ({ _id: new mongo.ObjectId(id) });

/** An upload whose transcription is under way and does not end by itself. */
async function inWork(): Promise<{ id: string; session: string }> {
  engine.script({ does: 'hang' });
  const session = await alice.session(['q1']);
  const { body } = await alice.upload(session, 'q1', audioOfItsOwn());
  await engine.seen(1);
  return { id: body.upload_id, session };
}

describe('the search for uploads', () => {
  it('finds by user, session, question, hash, status and code, and shows whose each is', async () => {
    const bob = await service.user('bob');
    const session = await bob.session(['q1', 'q2']);
    engine.script(invalidFile);
    const one = (await bob.upload(session, 'q1', audioOfItsOwn())).body;
    await bob.answer(session, 'q1');
    const two = (await bob.upload(session, 'q2', audioOfItsOwn())).body;
    await bob.answer(session, 'q2');

    const [found] = await search(`session_id=${session}&question_id=q1`);
    expect(found).toMatchObject({ upload_id: one.upload_id, user_id: 'bob', status: 'failed' });
    const { code } = found.stages[0].error;
    expect(await idsOf('user_id=bob')).toEqual([two.upload_id, one.upload_id]);
    expect(await idsOf(`user_id=bob&sha256=${two.sha256.toUpperCase()}`)).toEqual([two.upload_id]);
    expect(await idsOf(`user_id=bob&code=${code}`)).toEqual([one.upload_id]);
    expect(await idsOf(`user_id=bob&status=failed&code=${code}&question_id=q1`)).toEqual([one.upload_id]);
    await eventually(async () => expect(await idsOf('user_id=bob&status=completed')).toEqual([two.upload_id]));
    expect(await idsOf('user_id=nobody')).toEqual([]);
    const first = (await root.get(`${UPLOADS}?user_id=bob&limit=1`)).body;
    expect(first.next_cursor).toBe(two.upload_id);
    expect(await idsOf(`user_id=bob&limit=1&cursor=${first.next_cursor}`)).toEqual([one.upload_id]);
  });

  it('finds what never arrived whole by its code', async () => {
    const session = await alice.session(['q1']);
    const { status } = await alice.upload(session, 'q1', Buffer.from('this is no audio at all'));
    expect(status).toBe(415);
    expect(await search(`session_id=${session}&code=not_audio`)).toMatchObject([
      { user_id: 'alice', status: 'failed', error: { code: 'not_audio' } },
    ]);
  });

  it('refuses what is no filter', async () => {
    for (const query of ['status=lost', 'sha256=abc', 'code=a-b', 'question_id=__proto__', 'limit=201']) {
      expect({ query, status: (await root.get(`${UPLOADS}?${query}`)).status }).toEqual({ query, status: 422 });
    }
  });
});

describe('requeue by hand', () => {
  it('has a failed stage run again', async () => {
    engine.script(invalidFile);
    const session = await alice.session(['q1']);
    const { upload_id } = (await alice.upload(session, 'q1', audioOfItsOwn())).body;
    await alice.answer(session, 'q1', (answer) => answer.transcription_status === 'failed');
    const { status, body } = await root.post(`${UPLOADS}/${upload_id}/requeue`);
    expect({ status, body }).toEqual({ status: 200, body: { upload_id, stage: 'transcription', state: 'due' } });
    await alice.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
  });

  it('has a stage that waits for its time run now', async () => {
    const session = await alice.session(['q1']);
    const { upload_id } = (await alice.upload(session, 'q1', audioOfItsOwn())).body;
    await alice.answer(session, 'q1');
    // As after many failures: due in an hour.
    const later = new Date(Date.now() + 3_600_000);
    await service.db
      .collection('uploads')
      .updateOne(byId(upload_id), { $set: { 'stages.analysis.state': 'due', 'stages.analysis.due_at': later } });
    expect((await root.post(`${UPLOADS}/${upload_id}/requeue`)).body).toMatchObject({ stage: 'analysis' });
    await eventually(async () => expect(await idsOf(`session_id=${session}&status=completed`)).toEqual([upload_id]));
  });

  it('takes a stage back from a worker that is gone, and refuses while one holds it', async () => {
    const { id, session } = await inWork();
    const held = await root.post(`${UPLOADS}/${id}/requeue`);
    expect(held.status).toBe(409);
    expect(held.body.detail).toMatch(/is working on it and holds it until .+; fail it to end that$/);
    // As if its worker had died an hour ago, and no sweep had come by.
    await service.db
      .collection('uploads')
      .updateOne(byId(id), { $set: { 'stages.transcription.lease_until': new Date(Date.now() - 3_600_000) } });
    await root.post(`${UPLOADS}/${id}/requeue`);
    await alice.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
    const [upload] = await search(`session_id=${session}`);
    expect(upload.stages[0].history[0]).toMatchObject({ outcome: 'lost', error: { code: 'worker_lost' } });
  });

  it('is refused with a sentence where it cannot be', async () => {
    const session = await alice.session(['q1']);
    const older = (await alice.upload(session, 'q1', audioOfItsOwn())).body.upload_id;
    await alice.answer(session, 'q1');
    await eventually(async () => {
      const done = await root.post(`${UPLOADS}/${older}/requeue`);
      expect(done).toMatchObject({ status: 409, body: { detail: 'All of its stages are done' } });
    });
    await alice.upload(session, 'q1', audioOfItsOwn());
    expect(await root.post(`${UPLOADS}/${older}/requeue`)).toMatchObject({
      status: 409,
      body: { detail: 'A newer take of the question has replaced it' },
    });
    expect((await root.post(`${UPLOADS}/000000000000000000000000/requeue`)).status).toBe(404);
    await alice.answer(session, 'q1');
  });
});

describe('fail by hand', () => {
  it('ends a stage that is worked on: its worker loses it, its owner reads why, and it can be retried', async () => {
    const { id, session } = await inWork();
    const { status, body } = await root.post(`${UPLOADS}/${id}/fail`, { reason: ' It blocks the others ' });
    expect({ status, body }).toEqual({
      status: 200,
      body: { upload_id: id, stage: 'transcription', state: 'failed' },
    });
    const answer = await alice.answer(session, 'q1', (it) => it.transcription_status === 'failed');
    expect(answer.transcription_error).toBe('An administrator ended this: It blocks the others');
    // The work itself is ended too, not only its result thrown away.
    await engine.hungUp();
    expect((await root.get('/metrics')).body).toMatch(
      /vivavoce_failures_total\{stage="transcription",code="failed_by_admin"\} 1/,
    );
    const letters = (await root.get(`/api/admin/dead-letters?session_id=${session}`)).body.items;
    expect(letters).toMatchObject([
      { id, code: 'failed_by_admin', can_retry: true, attempts: [{ number: 1, outcome: 'failed' }] },
    ]);
    await root.post(`/api/admin/dead-letters/${id}/retry`);
    await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
  });

  it('ends a stage that waits', async () => {
    const { service: api, stop } = await startWithEngine('api');
    const [carol, admin] = [await api.user('carol'), await api.user('root', 'admin')];
    const session = await carol.session(['q1']);
    const { upload_id } = (await carol.upload(session, 'q1', audioOfItsOwn())).body;
    expect((await admin.post(`${UPLOADS}/${upload_id}/fail`, { reason: 'Not wanted' })).status).toBe(200);
    const status = (await carol.get(`/api/transcription-status/${session}/q1`)).body;
    expect(status).toMatchObject({ status: 'failed', error: 'An administrator ended this: Not wanted' });
    await stop();
  });

  it('needs a reason, and something to end', async () => {
    const session = await alice.session(['q1']);
    const { upload_id } = (await alice.upload(session, 'q1', audioOfItsOwn())).body;
    await alice.answer(session, 'q1');
    for (const body of [{}, { reason: '' }, { reason: '  ' }, { reason: 'x'.repeat(501) }, { reason: 7 }]) {
      expect((await root.post(`${UPLOADS}/${upload_id}/fail`, body)).status).toBe(422);
    }
    await eventually(async () => {
      expect(await root.post(`${UPLOADS}/${upload_id}/fail`, { reason: 'Too late' })).toMatchObject({
        status: 409,
        body: { detail: 'None of its stages waits or is worked on' },
      });
    });
  });
});

describe('whoever is no admin', () => {
  it('cannot search, requeue or fail', async () => {
    const id = '000000000000000000000000';
    for (const [method, path] of [
      ['GET', UPLOADS],
      ['POST', `${UPLOADS}/${id}/requeue`],
      ['POST', `${UPLOADS}/${id}/fail`],
    ] as const) {
      expect((await service.nobody().send(method, path)).status).toBe(401);
      expect((await alice.send(method, path)).status).toBe(403);
    }
  });
});
