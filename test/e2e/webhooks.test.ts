import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { DeliveryRepository } from '../../src/webhooks/delivery.repository.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { type Caller, eventually, fresh, type Json, type TestService } from '../support/service.js';
import { WebhookReceiver, verified } from '../support/webhook-receiver.js';

const ANSWERS = ['answer.completed', 'answer.scored', 'answer.failed', 'session.analyzed'];

let running: ServiceWithEngine;
let service: TestService;
let receiver: WebhookReceiver;
let count = 0;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  running = await startWithEngine('all', {
    WEBHOOK_ALLOW_PRIVATE: 'true',
    WEBHOOK_RETRY_S: '0.1,0.1,0.2,0.2,0.2',
    WEBHOOK_TIMEOUT_S: '1',
    WEBHOOK_ENCRYPTION_KEY: 'a key for webhook secrets in this test',
    PUBLIC_URL: 'https://vivavoce.example/',
  });
  ({ service } = running);
});
afterAll(async () => {
  await running.stop();
  await receiver.stop();
});
beforeEach(() => running.engine.reset());

/** A user that nobody else is, with a webhook at a path that nobody else has. */
async function subscribed(events = ANSWERS, roles: string[] = [], rest: Json = {}) {
  const name = `user-${++count}`;
  const user = await service.user(name, ...roles);
  const path = `/${name}`;
  const { status, body } = await user.post('/api/webhooks', { url: receiver.url(path), events, ...rest });
  expect(status).toBe(201);
  return { name, user, path, id: body.id as string, secret: body.secret as string, made: body };
}

const deliveriesOf = async (user: Caller, id: string, query = ''): Promise<Json[]> =>
  (await user.get(`/api/webhooks/${id}/deliveries${query}`)).body.items;

const patch = (user: Caller, path: string, json: unknown) =>
  user.send('PATCH', path, { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } });

describe('an integrator is told', () => {
  it('of an answer from its upload to its score, and of the analyzed session, by messages that the reference library trusts', async () => {
    const { user, name, path, secret } = await subscribed();
    const session = await user.session(['q1']);
    const { body: upload } = await user.upload(session, 'q1', fresh('answer-0870.webm'));
    const answer = await user.answer(session, 'q1');
    await eventually(() => expect(receiver.at(path)).toHaveLength(2));
    await user.post(`/api/analyze/${session}`);
    await eventually(() => expect(receiver.at(path)).toHaveLength(3));
    // Nothing changed since.
    await user.post(`/api/analyze/${session}`);

    const [completed] = receiver.at(path, 'answer.completed');
    const [scored] = receiver.at(path, 'answer.scored');
    const [analyzed] = receiver.at(path, 'session.analyzed');
    const links = {
      session: `https://vivavoce.example/api/sessions/${session}`,
      upload: `https://vivavoce.example/api/uploads/${upload.upload_id}`,
    };
    const about = { upload_id: upload.upload_id, session_id: session, question_id: 'q1', user_id: name, links };
    expect(verified(completed!, secret)).toEqual({
      type: 'answer.completed',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: { ...about, source: 'audio', status: 'completed', stage: 'transcription' },
    });
    expect(verified(scored!, secret).data).toEqual({
      ...about,
      source: 'audio',
      status: 'completed',
      stage: 'analysis',
      score: answer.score,
      not_scorable: answer.not_scorable !== null,
    });
    expect(verified(analyzed!, secret).data).toEqual({
      session_id: session,
      user_id: name,
      status: 'analyzed',
      final_score: answer.score,
      scored_count: answer.score === null ? 0 : 1,
      failed_count: 0,
      not_scorable_count: answer.score === null ? 1 : 0,
      links: { session: links.session },
    });
    const ids = receiver.at(path).map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(3);
    for (const one of receiver.at(path)) {
      expect(one.headers['content-type']).toBe('application/json');
      expect(one.raw).not.toContain(answer.transcript);
    }
    await eventually(async () => {
      const marks = await service.db.collection('uploads').countDocuments({ events_due: { $exists: true } });
      expect(marks).toBe(0);
    });
    expect(receiver.at(path)).toHaveLength(3);
  });

  it('of an answer that failed, with the reason', async () => {
    const { user, path, secret } = await subscribed();
    running.engine.script(invalidFile);
    const session = await user.session(['q1']);
    await user.upload(session, 'q1', fresh('answer-0870.webm'));
    const { transcription_error } = await user.answer(session, 'q1');
    await eventually(() => expect(receiver.at(path)).toHaveLength(1));
    const { type, data } = verified(receiver.at(path)[0]!, secret);
    expect({ type, data }).toMatchObject({
      type: 'answer.failed',
      data: { question_id: 'q1', status: 'failed', stage: 'transcription', error: { message: transcription_error } },
    });
  });

  it('of a written answer', async () => {
    const { user, path } = await subscribed(['answer.completed']);
    const session = await user.session(['q1']);
    await user.post(`/api/text-answer/${session}/q1`, { text: 'I asked both of them to write down what they saw.' });
    await eventually(() => expect(receiver.at(path)).toHaveLength(1));
    expect(receiver.at(path)[0]?.body.data).toMatchObject({ source: 'text', status: 'completed', session_id: session });
  });

  it('of nothing that it did not ask for, and of nothing that is others’', async () => {
    const mine = await subscribed(['answer.failed']);
    const others = await subscribed(['answer.scored']);
    const all = await subscribed(['answer.scored'], ['admin'], { scope: 'global' });
    const session = await mine.user.session(['q1']);
    await mine.user.upload(session, 'q1', fresh('answer-0870.webm'));
    // The global one has all users' events.
    await eventually(() => {
      const told = receiver.at(all.path).filter(({ body }) => body.data.session_id === session);
      expect(told.map(({ body }) => [body.type, body.data.user_id])).toEqual([['answer.scored', mine.name]]);
    });
    expect(receiver.at(mine.path)).toEqual([]);
    expect(receiver.at(others.path)).toEqual([]);
    expect((await all.user.delete(`/api/webhooks/${all.id}`)).status).toBe(204);
  });

  it('of no take that was replaced meanwhile', async () => {
    const { user, id, path } = await subscribed(['answer.scored']);
    receiver.on(path, 503);
    const session = await user.session(['q1']);
    const { body: first } = await user.upload(session, 'q1', fresh('answer-0870.webm'));
    await user.answer(session, 'q1');
    await eventually(() => expect(receiver.at(path).length).toBeGreaterThan(0));
    const { body: second } = await user.upload(session, 'q1', fresh('answer-0880.webm'));
    await eventually(async () => {
      const [older] = (await deliveriesOf(user, id)).filter(
        ({ payload }) => payload.data.upload_id === first.upload_id,
      );
      expect(older).toMatchObject({ state: 'cancelled', error: { code: 'superseded' } });
    });
    receiver.on(path, 200);
    await eventually(() => {
      const told = receiver.at(path).filter(({ body }) => body.data.upload_id === second.upload_id);
      expect(told.length).toBeGreaterThan(0);
    });
  });
});

describe('a receiver', () => {
  it('that is down is tried again until it is up, under the same id, and every attempt is in the log', async () => {
    const { user, id, path, secret } = await subscribed();
    let refusals = 2;
    receiver.on(path, (response) => void response.writeHead(refusals-- > 0 ? 503 : 200).end());
    const { body: test } = await user.post(`/api/webhooks/${id}/test`);
    expect(test).toMatchObject({ type: 'webhook.test', state: 'due', attempts: [] });
    const [delivery] = await eventually(async () => {
      const found = await deliveriesOf(user, id, '?state=delivered');
      expect(found).toHaveLength(1);
      expect(found[0].attempts).toHaveLength(3);
      return found;
    });
    expect(delivery.attempts).toEqual([
      expect.objectContaining({
        ...{ number: 1, status_code: 503, outcome: 'retry' },
        error: { code: 'bad_status', message: 'The receiver answered 503' },
      }),
      expect.objectContaining({ number: 2, status_code: 503, outcome: 'retry' }),
      expect.objectContaining({ number: 3, status_code: 200, outcome: 'delivered', error: null }),
    ]);
    for (const { at, duration_ms } of delivery.attempts) {
      expect(Date.parse(at)).toBeGreaterThan(0);
      expect(duration_ms).toBeGreaterThanOrEqual(0);
    }
    const ids = receiver.at(path).map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([delivery.event_id, delivery.event_id, delivery.event_id]);
    for (const one of receiver.at(path)) expect(verified(one, secret).type).toBe('webhook.test');
    expect((await user.get(`/api/webhooks/${id}`)).body.failing_since).toBeNull();
  });

  it('that never answers well is given up after the last attempt; redelivery by hand sends the same event again', async () => {
    const { user, id, path } = await subscribed();
    receiver.on(path, 500);
    await user.post(`/api/webhooks/${id}/test`);
    const [failed] = await eventually(async () => {
      const found = await deliveriesOf(user, id, '?state=failed');
      expect(found[0]?.attempts).toHaveLength(6);
      return found;
    });
    expect((await user.get(`/api/webhooks/${id}`)).body).toMatchObject({
      enabled: true,
      failing_since: expect.any(String),
    });
    receiver.on(path, 200);
    const again = await user.post(`/api/webhooks/${id}/deliveries/${failed.id}/redeliver`);
    expect(again.status).toBe(200);
    await eventually(async () => {
      const [delivered] = await deliveriesOf(user, id);
      expect(delivered).toMatchObject({ id: failed.id, event_id: failed.event_id, state: 'delivered' });
      expect(delivered.attempts).toHaveLength(7);
    });
  });

  it('that answers 410 is asked no more, and the webhook says why', async () => {
    const { user, id, path } = await subscribed();
    receiver.on(path, 410);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(async () => {
      expect((await user.get(`/api/webhooks/${id}`)).body).toMatchObject({
        enabled: false,
        disabled_reason: 'The receiver answered 410 Gone',
        disabled_at: expect.any(String),
      });
    });
    expect((await deliveriesOf(user, id))[0]).toMatchObject({ state: 'failed', status_code: 410 });
    expect((await user.post(`/api/webhooks/${id}/test`)).status).toBe(409);
    const { body } = await patch(user, `/api/webhooks/${id}`, { enabled: true });
    expect(body).toMatchObject({ enabled: true, disabled_reason: null, disabled_at: null, secret: null });
    receiver.on(path, 204);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(async () => expect(await deliveriesOf(user, id, '?state=delivered')).toHaveLength(1));
  });

  it('that redirects is not followed', async () => {
    const { user, id, path } = await subscribed();
    const elsewhere = `${path}-elsewhere`;
    receiver.on(path, (response) => void response.writeHead(307, { location: receiver.url(elsewhere) }).end());
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(async () => {
      const [delivery] = await deliveriesOf(user, id);
      expect(delivery.attempts[0]).toMatchObject({ status_code: 307, outcome: 'retry' });
    });
    expect(receiver.at(elsewhere)).toEqual([]);
  });

  it('that hangs, or answers without end, holds up no other', async () => {
    const slow = await subscribed();
    const endless = await subscribed();
    const quick = await subscribed();
    receiver.on(slow.path, () => undefined);
    receiver.on(endless.path, (response) => {
      response.writeHead(200);
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    const tests = Array.from({ length: 40 }, (_, n) => n);
    await Promise.all(tests.map(() => slow.user.post(`/api/webhooks/${slow.id}/test`)));
    await eventually(() => expect(receiver.at(slow.path).length).toBeGreaterThan(0));
    await Promise.all(tests.slice(0, 8).map(() => quick.user.post(`/api/webhooks/${quick.id}/test`)));
    await endless.user.post(`/api/webhooks/${endless.id}/test`);
    await eventually(async () => expect(await deliveriesOf(quick.user, quick.id, '?state=delivered')).toHaveLength(8));
    // While most of the others still wait.
    expect((await deliveriesOf(slow.user, slow.id, '?state=due')).length).toBeGreaterThan(20);
    await eventually(async () =>
      expect(await deliveriesOf(endless.user, endless.id, '?state=delivered')).toHaveLength(1),
    );
    await eventually(async () => {
      const attempted = (await deliveriesOf(slow.user, slow.id)).filter(({ attempts }) => attempts.length > 0);
      expect(attempted[0]?.attempts[0]).toMatchObject({
        status_code: null,
        outcome: 'retry',
        error: { code: 'timeout' },
      });
    });
    expect((await slow.user.delete(`/api/webhooks/${slow.id}`)).status).toBe(204);
  });

  it('that fails for too long is disabled', async () => {
    const { user, id, path } = await subscribed();
    receiver.on(path, 500);
    const failing_since = new Date(Date.now() - 121 * 3_600_000);
    const { ObjectId } = (await import('mongoose')).default.mongo;
    await service.db.collection('webhooks').updateOne({ _id: new ObjectId(id) }, { $set: { failing_since } });
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(async () => {
      const { body } = await user.get(`/api/webhooks/${id}`);
      expect(body).toMatchObject({
        enabled: false,
        disabled_reason: expect.stringContaining(failing_since.toISOString()),
      });
    });
    await eventually(async () => {
      expect((await deliveriesOf(user, id))[0]).toMatchObject({
        state: 'cancelled',
        error: { code: 'webhook_disabled' },
      });
    });
  });
});

describe('a secret', () => {
  it('is shown once, and kept encrypted', async () => {
    const { user, id, secret, made } = await subscribed();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(made).toMatchObject({ enabled: true, scope: 'own', disabled_reason: null, previous_secret_until: null });
    expect(JSON.stringify((await user.get(`/api/webhooks/${id}`)).body)).not.toContain('whsec_');
    expect(JSON.stringify((await user.get('/api/webhooks')).body)).not.toContain('whsec_');
    for (const collection of ['webhooks', 'idempotency_keys', 'audit', 'webhook_deliveries'])
      expect(JSON.stringify(await service.db.collection(collection).find().toArray())).not.toContain(secret);
  });

  it('can be rotated: for a day both sign', async () => {
    const { user, id, path, secret } = await subscribed();
    const { body } = await patch(user, `/api/webhooks/${id}`, { rotate_secret: true });
    expect(body.secret).toMatch(/^whsec_/);
    expect(body.secret).not.toBe(secret);
    expect(Date.parse(body.previous_secret_until)).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(() => expect(receiver.at(path)).toHaveLength(1));
    for (const either of [secret, body.secret]) expect(verified(receiver.at(path)[0]!, either)).toBeTruthy();

    const { ObjectId } = (await import('mongoose')).default.mongo;
    const expired = { $set: { previous_until: new Date() } };
    await service.db.collection('webhooks').updateOne({ _id: new ObjectId(id) }, expired);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(() => expect(receiver.at(path)).toHaveLength(2));
    expect(verified(receiver.at(path)[1]!, body.secret)).toBeTruthy();
    expect(() => verified(receiver.at(path)[1]!, secret)).toThrow();
  });

  it('that is rotated again and again leaves those before signing too, each for its day, five at most', async () => {
    const { user, id, path, secret } = await subscribed();
    const secrets = [secret];
    for (let n = 0; n < 6; n++)
      secrets.push((await patch(user, `/api/webhooks/${id}`, { rotate_secret: true })).body.secret as string);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(() => expect(receiver.at(path)).toHaveLength(1));
    for (const one of secrets.slice(1)) expect(verified(receiver.at(path)[0]!, one)).toBeTruthy();
    expect(() => verified(receiver.at(path)[0]!, secret)).toThrow();

    const expired = { $set: { 'earlier_secrets.1.until': new Date() } };
    await service.db.collection('webhooks').updateOne({ _id: new mongo.ObjectId(id) }, expired);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(() => expect(receiver.at(path)).toHaveLength(2));
    for (const one of [secrets[6]!, secrets[5]!, secrets[4]!])
      expect(verified(receiver.at(path)[1]!, one)).toBeTruthy();
    expect(() => verified(receiver.at(path)[1]!, secrets[3]!)).toThrow();
  });
});

describe('webhooks', () => {
  it('are changed, listed by pages, and deleted with their log', async () => {
    const { user, id, path } = await subscribed();
    const second = await user.post('/api/webhooks', {
      url: receiver.url(path),
      events: ['answer.failed'],
      enabled: 'no',
    });
    expect(second.body.enabled).toBe(false);
    const first = (await user.get('/api/webhooks?limit=1')).body;
    expect(first).toMatchObject({ items: [{ id: second.body.id }], next_cursor: second.body.id });
    const rest = (await user.get(`/api/webhooks?limit=1&cursor=${first.next_cursor}`)).body;
    expect(rest).toMatchObject({ items: [{ id }], next_cursor: null });

    const change = { description: 'mine', events: ['answer.failed', 'batch.completed'], url: receiver.url('/else') };
    expect((await patch(user, `/api/webhooks/${id}`, change)).body).toMatchObject({ ...change, secret: null });
    await user.post(`/api/webhooks/${id}/test`);
    await user.post(`/api/webhooks/${id}/test`);
    await eventually(async () => expect(await deliveriesOf(user, id, '?state=delivered')).toHaveLength(2));
    const page = (await user.get(`/api/webhooks/${id}/deliveries?limit=1`)).body;
    expect(page.items).toHaveLength(1);
    const next = (await user.get(`/api/webhooks/${id}/deliveries?limit=1&cursor=${page.next_cursor}`)).body;
    expect(next).toMatchObject({ items: [{ type: 'webhook.test' }], next_cursor: null });

    expect((await user.delete(`/api/webhooks/${id}`)).status).toBe(204);
    expect((await user.get(`/api/webhooks/${id}`)).status).toBe(404);
    const { ObjectId } = (await import('mongoose')).default.mongo;
    for (const collection of ['webhook_deliveries', 'webhook_attempts'])
      expect(await service.db.collection(collection).countDocuments({ webhook_id: new ObjectId(id) })).toBe(0);
  });

  it('are at most WEBHOOKS_PER_USER, also when they are made at the same time', async () => {
    const user = await service.user('many');
    const make = () => user.post('/api/webhooks', { url: receiver.url('/many'), events: ['answer.failed'] });
    const made = await Promise.all(Array.from({ length: 14 }, make));
    expect(made.map(({ status }) => status).sort()).toEqual([...Array<number>(10).fill(201), 409, 409, 409, 409]);
    const [{ id }] = (await user.get('/api/webhooks')).body.items;
    await user.delete(`/api/webhooks/${id}`);
    expect((await make()).status).toBe(201);
    // Where one more would lead is not looked at.
    const wrong = await user.post('/api/webhooks', { url: 'ftp://files.example', events: ['answer.failed'] });
    expect(wrong.status).toBe(409);
  });

  it('of another user are not there, on every route', async () => {
    const { user, id } = await subscribed();
    const { body: delivery } = await user.post(`/api/webhooks/${id}/test`);
    const stranger = await service.user('stranger');
    const of = `/api/webhooks/${id}`;
    const answers = await Promise.all([
      stranger.get(of),
      patch(stranger, of, { enabled: false }),
      stranger.delete(of),
      stranger.get(`${of}/deliveries`),
      stranger.post(`${of}/deliveries/${delivery.id}/redeliver`),
      stranger.post(`${of}/test`),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404]);
    expect((await stranger.get('/api/webhooks')).body.items).toEqual([]);
    // Nor for an admin: it is not global.
    const root = await service.user('root', 'admin');
    expect((await root.get(of)).status).toBe(404);
    expect((await user.get(of)).body.enabled).toBe(true);
    // And a delivery of another webhook of one's own is not this one's.
    const mine = await stranger.post('/api/webhooks', { url: receiver.url('/x'), events: ['answer.failed'] });
    const crossed = await stranger.post(`/api/webhooks/${mine.body.id}/deliveries/${delivery.id}/redeliver`);
    expect(crossed.status).toBe(404);
  });

  it('that are global are for admins, who share them, and what they do is recorded', async () => {
    const { id, user: root } = await subscribed(['alert.firing'], ['admin'], { scope: 'global' });
    const other = await service.user('other-admin', 'admin');
    expect((await patch(other, `/api/webhooks/${id}`, { description: 'ours' })).body.description).toBe('ours');
    const plain = await service.user('plain');
    const input = { url: receiver.url('/plain'), events: ['answer.failed'], scope: 'global' };
    expect((await plain.post('/api/webhooks', input)).status).toBe(403);
    expect((await plain.get(`/api/webhooks/${id}`)).status).toBe(404);
    await root.delete(`/api/webhooks/${id}`);
    const { items } = (await root.get(`/api/admin/audit?target=webhook/${id}`)).body;
    expect(items.map((entry: Json) => entry.action)).toEqual(['webhook.delete', 'webhook.change', 'webhook.create']);
    expect(JSON.stringify(items)).not.toContain(receiver.url('/'));
  });

  it('are refused with what is wrong with them', async () => {
    const user = await service.user('careless');
    const good = { url: receiver.url('/'), events: ['answer.failed'] };
    for (const [input, loc] of [
      [{ ...good, url: 'nonsense' }, ['body', 'url']],
      [{ ...good, url: 'ftp://example.com/' }, ['body', 'url']],
      [{ ...good, url: 'https://user:password@example.com/' }, ['body', 'url']],
      [{ ...good, url: 'https://example.com/#part' }, ['body', 'url']],
      [{ ...good, url: `https://example.com/${'x'.repeat(2048)}` }, ['body', 'url']],
      [{ ...good, events: [] }, ['body', 'events']],
      [{ ...good, events: ['answer.eaten'] }, ['body', 'events', 0]],
      [{ ...good, events: ['answer.failed', 'answer.failed'] }, ['body', 'events']],
      [{ ...good, events: ['alert.firing'] }, ['body', 'events', 0]],
      [{ ...good, enabled: 'perhaps' }, ['body', 'enabled']],
      [{ events: ['answer.failed'] }, ['body', 'url']],
    ] as const) {
      const { status, body } = await user.post('/api/webhooks', input);
      expect({ input, status, loc: body.detail[0].loc }).toEqual({ input, status: 422, loc });
    }
    expect((await user.get('/api/webhooks/nonsense')).status).toBe(422);
  });

  it('leave nothing of an erased session in their log', async () => {
    const { user, id, path } = await subscribed();
    const session = await user.session(['q1']);
    await user.upload(session, 'q1', fresh('answer-0870.webm'));
    await eventually(() => expect(receiver.at(path)).toHaveLength(2));
    await eventually(async () => expect(await deliveriesOf(user, id, '?state=delivered')).toHaveLength(2));
    await user.delete(`/api/sessions/${session}`);
    expect(await deliveriesOf(user, id)).toEqual([]);
  });

  it('tell of no session that was erased while its events were being recorded', async () => {
    const { user, path, name } = await subscribed();
    const repository = service.service.app.get(DeliveryRepository, { strict: false });
    const create = repository.create.bind(repository);
    let letGo = (): void => undefined;
    const erased = new Promise<void>((resolve) => (letGo = resolve));
    let done = 0;
    const held = jest.spyOn(repository, 'create').mockImplementation(async (deliveries) => {
      await erased;
      const rows = await create(deliveries);
      done += 1;
      return rows;
    });
    const types = () => held.mock.calls.flatMap(([deliveries]) => deliveries.map(({ type }) => type));
    const session = await user.session(['q1']);
    await user.upload(session, 'q1', fresh('answer-0870.webm'));
    await user.answer(session, 'q1');
    await user.post(`/api/analyze/${session}`);
    await eventually(() => expect(types()).toEqual(expect.arrayContaining(['answer.completed', 'session.analyzed'])));
    expect((await user.delete(`/api/sessions/${session}`)).status).toBe(200);
    letGo();
    await eventually(async () => {
      expect(done).toBe(held.mock.calls.length);
      expect(await service.db.collection('webhook_deliveries').countDocuments({ subject: name })).toBe(0);
    });
    held.mockRestore();
    expect(receiver.at(path)).toEqual([]);
  });

  it('send nothing of an erased session that was recorded by a process which died before it looked', async () => {
    const { user, name, id, path } = await subscribed();
    const repository = service.service.app.get(DeliveryRepository, { strict: false });
    const type = 'session.analyzed';
    const about = { subject: name, session_id: 'gone', upload_id: null, correlation_id: null };
    const webhook_id = new mongo.ObjectId(id);
    await repository.create([{ webhook_id, event_id: 'msg_gone', type, body: JSON.stringify({ type }), ...about }]);
    await eventually(async () => expect(await deliveriesOf(user, id)).toEqual([]));
    expect(receiver.at(path)).toEqual([]);
  });

  it.each([
    ['own', []],
    ['global', ['admin']],
  ])('that are %s keep nothing of an erased session by the key of a redelivery either', async (scope, roles) => {
    const hook = await subscribed(['answer.scored'], roles, { scope });
    const owner = scope === 'own' ? hook.user : (await subscribed()).user;
    const session = await owner.session(['q1']);
    await owner.upload(session, 'q1', fresh('answer-0870.webm'));
    const told = await eventually(async () => {
      const found = await deliveriesOf(hook.user, hook.id, '?state=delivered');
      const [delivery] = found.filter(({ payload }) => payload.data.session_id === session);
      expect(delivery).toBeDefined();
      return delivery;
    });
    const again = () =>
      hook.user.post(`/api/webhooks/${hook.id}/deliveries/${told.id}/redeliver`, {}, { 'idempotency-key': 'once' });
    expect((await again()).body).toMatchObject({ id: told.id, payload: told.payload });
    const repeated = await again();
    expect(repeated.headers.get('idempotency-replayed')).toBe('true');
    expect(repeated.body).toMatchObject({ id: told.id, payload: told.payload });
    const twice = await eventually(async () => {
      const found = await deliveriesOf(hook.user, hook.id, '?state=delivered');
      const delivery = found.find(({ id }) => id === told.id);
      expect(delivery?.attempts).toHaveLength(2);
      return delivery;
    });
    expect((await again()).body).toEqual(twice);

    await owner.delete(`/api/sessions/${session}`);
    const keys = await service.db.collection('idempotency_keys').find().toArray();
    expect(JSON.stringify(keys)).not.toContain(session);
    expect((await again()).status).toBe(404);
    await hook.user.delete(`/api/webhooks/${hook.id}`);
  });

  it('are counted in the metrics', async () => {
    const { body } = await service.nobody().get('/metrics');
    expect(body).toMatch(/vivavoce_webhook_deliveries_total\{event="answer.scored",outcome="delivered"\} [1-9]/);
    expect(body).toMatch(/vivavoce_webhook_duration_seconds_count\{outcome="delivered"\} [1-9]/);
    expect(body).toMatch(/^vivavoce_webhook_pending_deliveries \d/m);
  });
});
