import { randomBytes } from 'node:crypto';
import { STAGES } from '../../src/uploads/upload.schema.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile, serverError } from '../support/openai-behaviour.js';
import { startRedis } from '../support/servers.js';
import { type Caller, eventually, type Json, speech, type TestService } from '../support/service.js';

const audioOfItsOwn = (): Buffer => Buffer.concat([speech('reading.webm'), randomBytes(16)]);

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

/** Sends an answer and waits until nothing more is to come of it. */
async function answered(): Promise<{ session: string; id: string; bytes: Buffer }> {
  const session = await alice.session(['q1']);
  const bytes = audioOfItsOwn();
  const { body } = await alice.upload(session, 'q1', bytes);
  await alice.answer(session, 'q1');
  return { session, id: body.upload_id, bytes };
}

const entries = async (query: string): Promise<Json[]> => (await root.get(`/api/admin/audit?${query}`)).body.items;

describe('the overview', () => {
  it('of a service that has done nothing yet says so', async () => {
    const { body } = await root.get('/api/admin/overview');
    expect(body).toMatchObject({
      window_hours: 24,
      success_rate: null,
      failures: [],
      hours: [],
      dead_letters: { open: 0, expired: 0 },
      storage: [{ store: 'gridfs', files: 0, bytes: 0 }],
      workers: { alive: 1 },
    });
    expect(body.queues).toEqual(
      STAGES.map((stage) => ({
        stage,
        due: 0,
        processing: 0,
        failed: 0,
        oldest_wait_seconds: 0,
      })),
    );
    expect(body.stages).toContainEqual({
      stage: 'transcription',
      done: 0,
      failed: 0,
      tried_again: 0,
      success_rate: null,
      p50_seconds: null,
      p95_seconds: null,
      sampled: 0,
    });
  });

  it('counts what succeeded, what failed and why, what is stored, and how long it took', async () => {
    await answered();
    engine.script(serverError);
    await answered();
    engine.script(invalidFile);
    const { bytes } = await answered();
    const session = await alice.session(['q1']);
    await alice.upload(session, 'q1', Buffer.from('this is no audio at all'));

    await eventually(async () => {
      const { body } = await root.get('/api/admin/overview');
      expect(body.success_rate).toBe(0.8);
      const [transcription, analysis] = body.stages;
      expect(transcription).toMatchObject({ done: 2, failed: 1, tried_again: 1, success_rate: 0.66667, sampled: 2 });
      expect(analysis).toMatchObject({ done: 2, failed: 0, tried_again: 0, success_rate: 1, sampled: 2 });
      expect(transcription.p50_seconds).toBeGreaterThan(0);
      expect(transcription.p95_seconds).toBeGreaterThanOrEqual(transcription.p50_seconds);
      const [letter] = (await root.get('/api/admin/dead-letters')).body.items;
      expect(body.failures).toContainEqual({ stage: 'transcription', code: letter.code, attempts: 1, final: 1 });
      expect(body.failures).toContainEqual({ stage: 'upload', code: 'not_audio', attempts: 1, final: 1 });
      expect(body.failures).toHaveLength(3);
      expect(body.dead_letters).toEqual({ open: 1, expired: 0 });
      expect(body.queues[0]).toMatchObject({ stage: 'transcription', due: 0, processing: 0, failed: 1 });
      expect(body.storage).toEqual([{ store: 'gridfs', files: 1, bytes: bytes.length }]);
    });
    const { body } = await root.get('/api/admin/overview');
    const done = body.hours.reduce((sum: number, hour: Json) => sum + (hour.done as number), 0);
    expect(done).toBe(4);
    for (const { from } of body.hours) expect(Date.parse(from)).toBeGreaterThan(Date.now() - 2 * 3_600_000);
    if (body.database !== null) expect(body.database.bytes).toBeGreaterThan(0);
  });

  it('counts what is kept by store: what is in the archive for good', async () => {
    const kept = service.db.collection('kept_audio');
    const audio = (sha256: string, store: string, state: string, size: number) => {
      const at = new Date();
      return { user_id: 'kept', sha256, store, state, size, key: sha256, token: null, created_at: at, updated_at: at };
    };
    await kept.insertMany([
      audio('a', 's3', 'live', 100),
      audio('b', 'gridfs', 'live', 20),
      audio('c', 'gridfs', 'live', 3),
      audio('d', 's3', 'storing', 1000),
      audio('e', 's3', 'deleting', 1000),
    ]);
    const { body } = await root.get('/api/admin/overview');
    expect(body.storage.slice(1)).toEqual([
      { store: 'gridfs_archive', files: 2, bytes: 23 },
      { store: 's3', files: 1, bytes: 100 },
    ]);
    await kept.deleteMany({ user_id: 'kept' });
  });

  it('shows what waits, and for how long, while nobody works', async () => {
    const { service: api, stop } = await startWithEngine('api');
    const [bob, admin] = [await api.user('bob'), await api.user('root', 'admin')];
    const session = await bob.session(['q1']);
    await bob.upload(session, 'q1', audioOfItsOwn());
    await eventually(async () => {
      const { body } = await admin.get('/api/admin/overview');
      expect(body.workers.alive).toBe(0);
      expect(body.queues[0]).toMatchObject({ stage: 'transcription', due: 1, processing: 0 });
      expect(body.queues[0].oldest_wait_seconds).toBeGreaterThan(0.05);
    });
    await stop();
  });

  it('is there while Redis is away, and so are the dead letters; Bull Board says that it is not', async () => {
    const redis = await startRedis();
    const { service: all, engine: own, stop } = await startWithEngine('all', { REDIS_URL: redis.uri });
    const [bob, admin] = [await all.user('bob'), await all.user('root', 'admin')];
    own.script(invalidFile);
    const session = await bob.session(['q1']);
    const { upload_id } = (await bob.upload(session, 'q1', audioOfItsOwn())).body;
    await bob.answer(session, 'q1', (answer) => answer.transcription_status === 'failed');
    await redis.kill();
    await eventually(async () => {
      const { status, body } = await admin.get('/api/admin/overview');
      expect(status).toBe(200);
      expect(body.workers.alive).toBeNull();
      expect(body.dead_letters.open).toBe(1);
    });
    await eventually(async () => expect((await admin.get('/admin/queues/api/queues')).status).toBe(503));
    expect((await admin.post(`/api/admin/dead-letters/${upload_id}/retry`)).status).toBe(200);
    await redis.start();
    await bob.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
    await stop();
    await redis.stop();
  });

  it('is for admins', async () => {
    expect((await service.nobody().get('/api/admin/overview')).status).toBe(401);
    expect((await alice.get('/api/admin/overview')).status).toBe(403);
  });
});

describe('the audit', () => {
  it('has every action of an admin: who, what, to what, when, from where, and what came of it', async () => {
    engine.script(invalidFile);
    const { id, session } = await answered();
    const target = `upload/${id}`;
    const dora = await service.user('dora', 'admin');
    const from = new Date();
    const correlation = { 'x-correlation-id': `audit-${id}` };
    await dora.post(`/api/admin/dead-letters/${id}/retry`, undefined, correlation);
    await alice.answer(session, 'q1', (answer) => answer.score !== null);
    await dora.post(`/api/admin/dead-letters/${id}/retry`);
    await dora.post(`/api/admin/uploads/${id}/requeue`);
    await dora.delete(`/api/admin/dead-letters/${id}`);
    await dora.post('/api/admin/cleanup?hours=9&dry_run=true');
    await dora.post('/api/admin/dead-letters/retry', { session_id: session });

    const found = await entries('user_id=dora');
    expect(found.map((entry) => [entry.action, entry.target, entry.outcome, entry.code])).toEqual([
      ['dead_letters.retry', 'dead_letters', 'done', null],
      ['cleanup', 'audio', 'done', null],
      ['dead_letter.dismiss', target, 'refused', 'not_a_dead_letter'],
      ['upload.requeue', target, 'refused', 'nothing_to_requeue'],
      ['dead_letter.retry', target, 'refused', 'not_a_dead_letter'],
      ['dead_letter.retry', target, 'done', null],
    ]);
    expect(found[0].details).toEqual({ filter: { session_id: session }, limit: 100, retried: 0, remaining: 0 });
    expect(found[1].details).toEqual({ hours: 9, dry_run: true, deleted_count: 0, freed_bytes: 0 });
    const first = found.at(-1);
    expect(first).toMatchObject({ user_id: 'dora', correlation_id: `audit-${id}` });
    expect(first.ip).toMatch(/127\.0\.0\.1|::1/);
    expect(Date.parse(first.at)).toBeGreaterThanOrEqual(from.getTime());
  });

  it('has an entry for each upload that was retried by filter, and for a failure by hand its reason', async () => {
    engine.script(invalidFile);
    const { id, session } = await answered();
    await root.post('/api/admin/dead-letters/retry', { session_id: session });
    await alice.answer(session, 'q1', (answer) => answer.transcription_status === 'completed');
    expect(await entries(`target=upload/${id}`)).toMatchObject([
      { action: 'dead_letter.retry', outcome: 'done', details: { by_filter: true } },
    ]);

    engine.script({ does: 'hang' });
    const other = await alice.session(['q1']);
    const { upload_id } = (await alice.upload(other, 'q1', audioOfItsOwn())).body;
    await engine.seen(3);
    await root.post(`/api/admin/uploads/${upload_id}/fail`, { reason: 'It blocks the others', secret: 'x' });
    expect(await entries(`target=upload/${upload_id}`)).toMatchObject([
      { action: 'upload.fail', details: { reason: 'It blocks the others', stage: 'transcription' } },
    ]);
    expect(JSON.stringify(await entries('action=upload.fail'))).not.toContain('secret');
  });

  it('is filtered and paged', async () => {
    const erin = await service.user('erin', 'admin');
    const from = new Date().toISOString();
    for (const hours of [1, 2, 3]) await erin.post(`/api/admin/cleanup?hours=${hours}&dry_run=true`);
    const first = (await root.get('/api/admin/audit?user_id=erin&action=cleanup&limit=2')).body;
    expect(first.items.map((entry: Json) => entry.details.hours)).toEqual([3, 2]);
    const last = (await root.get(`/api/admin/audit?user_id=erin&limit=2&cursor=${first.next_cursor}`)).body;
    expect(last.items.map((entry: Json) => entry.details.hours)).toEqual([1]);
    expect(last.next_cursor).toBeNull();
    expect(await entries(`user_id=erin&since=${from}`)).toHaveLength(3);
    expect(await entries('user_id=erin&action=upload.fail')).toEqual([]);
    expect((await root.get('/api/admin/audit?action=No%20Action')).status).toBe(422);
  });

  it('is for admins, and has no entry of who was not let in', async () => {
    expect((await service.nobody().get('/api/admin/audit')).status).toBe(401);
    expect((await alice.get('/api/admin/audit')).status).toBe(403);
    await alice.post('/api/admin/cleanup');
    expect(await entries('user_id=alice')).toEqual([]);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect((await root.send(method, '/api/admin/audit')).status).toBe(405);
    }
  });
});
