import { mongo } from 'mongoose';
import { type Caller, eventually, type Json, startTestService, type TestService } from '../support/service.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

describe('private addresses', () => {
  let service: TestService;
  let receiver: WebhookReceiver;
  let alice: Caller;
  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    service = await startTestService('all', { WEBHOOK_RETRY_S: '0.1' });
    alice = await service.user('alice');
  });
  afterAll(async () => {
    await service.stop();
    await receiver.stop();
  });

  const create = (url: string) => alice.post('/api/webhooks', { url, events: ['answer.failed'] });

  it('are refused when a webhook is made, however they are written', async () => {
    const { port } = receiver;
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '[::ffff:127.0.0.1]',
      '10.0.0.1',
      '169.254.169.254',
      '100.64.0.1',
      '[fd00::1]',
      '[fe80::1]',
      '0.0.0.0',
    ]) {
      const { status, body } = await create(`http://${host}:${port}/`);
      expect({ host, status, loc: body.detail?.[0].loc }).toEqual({ host, status: 422, loc: ['body', 'url'] });
    }
  });

  // A name that led elsewhere when the webhook was made: as if its owner had changed it since.
  it.each(['localhost', '127.0.0.1', '[::ffff:127.0.0.1]'])(
    'are refused when a delivery is sent to %s, for good',
    async (host) => {
      const { body } = await create('https://webhooks.invalid/');
      const url = receiver.url('/', host);
      const id = new mongo.ObjectId(body.id as string);
      await service.db.collection('webhooks').updateOne({ _id: id }, { $set: { url } });
      await alice.post(`/api/webhooks/${body.id}/test`);
      await eventually(async () => {
        const [delivery] = (await alice.get(`/api/webhooks/${body.id}/deliveries`)).body.items as Json[];
        expect(delivery).toMatchObject({ state: 'failed', status_code: null, error: { code: 'address_refused' } });
        expect(delivery.attempts).toHaveLength(1);
      });
      expect(receiver.received).toEqual([]);
    },
  );

  it('are not what a name is that leads nowhere yet: its deliveries are tried again', async () => {
    const { status, body } = await create('https://webhooks.invalid/');
    expect(status).toBe(201);
    await alice.post(`/api/webhooks/${body.id}/test`);
    await eventually(async () => {
      const [delivery] = (await alice.get(`/api/webhooks/${body.id}/deliveries`)).body.items as Json[];
      expect(delivery).toMatchObject({ state: 'failed', error: { code: 'connection_failed' } });
      expect(delivery.attempts).toHaveLength(2);
    });
  });
});

describe('the reason why a secret cannot be read any more', () => {
  it('is in the log of deliveries, until the secret is rotated', async () => {
    const environment = { WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_ENCRYPTION_KEY: 'one key of at least 32 characters' };
    const before = await startTestService('api', environment);
    const alice = await before.user('alice');
    const { body } = await alice.post('/api/webhooks', { url: 'http://127.0.0.1:9/', events: ['answer.failed'] });
    const other = { ...before.environment, WEBHOOK_ENCRYPTION_KEY: 'another key of at least 32 characters' };
    const after = await startTestService('all', other);
    const again = await after.user('alice');
    const errorOf = async () => {
      await again.post(`/api/webhooks/${body.id}/test`);
      return eventually(async () => {
        const [delivery] = (await again.get(`/api/webhooks/${body.id}/deliveries`)).body.items as Json[];
        expect(delivery.error).not.toBeNull();
        return delivery.error.code as string;
      });
    };
    expect(await errorOf()).toBe('secret_unreadable');
    await again.send('PATCH', `/api/webhooks/${body.id}`, {
      body: JSON.stringify({ rotate_secret: true }),
      headers: { 'content-type': 'application/json' },
    });
    expect(await errorOf()).toBe('connection_failed');
    await after.stop();
    await before.stop();
  });
});
