import { Redis } from 'ioredis';
import type { ApiClient } from '../support/api-client.js';
import type { ServiceProcess } from '../support/processes.js';
import { Stand, noise, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';
import { WebhookReceiver, verified } from '../support/webhook-receiver.js';

const EVENTS = ['answer.completed', 'answer.scored'];

describe('events for webhooks', () => {
  let stand: Stand;
  let api: ServiceProcess;
  let user: ApiClient;
  let receiver: WebhookReceiver;
  let session: string;
  let path: string;
  let secret: string;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    stand = await Stand.start({
      WEBHOOK_ALLOW_PRIVATE: 'true',
      WEBHOOK_TIMEOUT_S: '2',
      WEBHOOK_RETRY_S: '0.2,0.2,0.5,0.5,1,1,1,1,1,1',
    });
    api = await stand.api();
  });
  beforeEach(async () => {
    session = uniqueId('session');
    path = `/${session}`;
    user = await stand.user(session);
    await user.createSession(session);
    const made = await user.post('/api/webhooks', { url: receiver.url(path), events: EVENTS });
    expect(made.status).toBe(201);
    secret = made.json.secret as string;
  });
  afterEach(() => stand.clear(api));
  afterAll(async () => {
    await stand.stop();
    await receiver.stop();
  });

  const upload = async (question: string): Promise<string> => {
    const { status, json } = await user.upload(session, question, noise(session + question));
    expect(status).toBe(200);
    return json.upload_id as string;
  };
  const told = (path_ = path) => receiver.at(path_).map(({ body }) => `${body.data.upload_id} ${body.type}`);
  const each = (uploads: string[]) => uploads.flatMap((id) => EVENTS.map((type) => `${id} ${type}`)).sort();
  const allTold = (uploads: string[]) =>
    until(
      'each event of each upload has arrived',
      () => [...new Set(told())].sort(),
      (now) => now.length === EVENTS.length * uploads.length,
    );

  /** An event may arrive twice, but then it has the same id, and the log has one delivery of it. */
  async function expectOnce(uploads: string[]): Promise<void> {
    expect([...new Set(told())].sort()).toEqual(each(uploads));
    for (const name of new Set(told())) {
      const same = receiver.at(path).filter(({ body }) => `${body.data.upload_id} ${body.type}` === name);
      expect(new Set(same.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      for (const one of same) expect(verified(one, secret).type).toBe(one.body.type);
    }
    const recorded = stand.database.collection('webhook_deliveries').countDocuments({ session_id: session });
    expect(await recorded).toBe(EVENTS.length * uploads.length);
    await until('every delivery is over', async () => {
      const open = { session_id: session, state: { $ne: 'delivered' } };
      return (await stand.database.collection('webhook_deliveries').countDocuments(open)) === 0;
    });
    expect(await stand.database.collection('uploads').countDocuments({ events_due: { $exists: true } })).toBe(0);
  }

  it('outlive a worker that is killed as soon as an answer is complete, time after time', async () => {
    const uploads: string[] = [];
    for (const question of ['q1', 'q2', 'q3', 'q4']) {
      const worker = await stand.worker();
      uploads.push(await upload(question));
      await until('its transcription is done', async () => {
        const row = await stand.row(uploads.at(-1) ?? '');
        return row.stages.transcription.state === 'done';
      });
      await worker.kill();
    }
    await stand.worker();
    await allTold(uploads);
    await expectOnce(uploads);
  });

  it('outlive a worker that is killed in the middle of a delivery: another one sends it again, under the same id', async () => {
    let hang = true;
    receiver.on(path, (response) => {
      if (!hang) response.writeHead(200).end();
    });
    const worker = await stand.worker();
    const uploads = [await upload('q1')];
    await until('it is being sent', () => receiver.at(path).length === 2);
    hang = false;
    await worker.kill();
    await stand.worker();
    await until('it is sent again', () => receiver.at(path).length >= 4);
    await expectOnce(uploads);
    const { json } = await user.get('/api/webhooks');
    const log = await user.get(`/api/webhooks/${json.items[0].id}/deliveries`);
    for (const { attempts } of log.json.items)
      expect(attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['lost', 'delivered']);
  });

  it('outlive a receiver that is down, and FLUSHALL while they wait', async () => {
    const port = receiver.port;
    await receiver.stop();
    const worker = await stand.worker();
    const uploads = await Promise.all(['q1', 'q2', 'q3'].map(upload));
    const deliveries = stand.database.collection('webhook_deliveries');
    await until('all have been tried', async () => {
      const tried = { session_id: session, state: 'due', attempts: { $gte: 1 } };
      return (await deliveries.countDocuments(tried)) === 6;
    });
    const redis = new Redis(stand.redis.uri);
    await redis.flushall();
    redis.disconnect();
    receiver = await WebhookReceiver.start(port);
    await allTold(uploads);
    await expectOnce(uploads);
    // What operators read of it: neither where it went to, which may hold a password, nor the secret.
    await worker.logged('Webhook not delivered, will be tried again');
    await worker.logged('Webhook delivered');
    for (const hidden of [secret, `127.0.0.1:${port}`]) expect(worker.tail()).not.toContain(hidden);
  });

  it('arrive while Redis is away', async () => {
    await stand.worker();
    const uploads = [await upload('q1')];
    await allTold(uploads);
    await stand.redis.kill();
    const { json } = await user.get('/api/webhooks');
    const before = receiver.at(path).length;
    await user.post(`/api/webhooks/${json.items[0].id}/test`, {});
    await until('the test has arrived', () => receiver.at(path).length === before + 1);
  });

  it('are given back by a worker that stops, without costing a try', async () => {
    let hang = true;
    receiver.on(path, (response) => {
      if (!hang) response.writeHead(200).end();
    });
    const worker = await stand.worker({ WEBHOOK_TIMEOUT_S: '30' });
    const uploads = [await upload('q1')];
    await until('both are being sent', () => receiver.at(path).length === 2);
    await worker.stop();
    hang = false;
    await stand.worker();
    await allTold(uploads);
    await expectOnce(uploads);
    const { json } = await user.get('/api/webhooks');
    const log = await user.get(`/api/webhooks/${json.items[0].id}/deliveries`);
    for (const { attempts } of log.json.items)
      expect(attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['returned', 'delivered']);
  });
});
