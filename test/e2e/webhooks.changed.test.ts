import type { ServerResponse } from 'node:http';
import { mongo } from 'mongoose';
import { type Caller, eventually, type Json, startTestService, type TestService } from '../support/service.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

describe('a webhook that is changed while requests to it are under way', () => {
  let service: TestService;
  let receiver: WebhookReceiver;
  let alice: Caller;
  let id: string;
  /** Requests that the address which the webhook is made with has not answered yet. */
  let held: ServerResponse[];
  let count = 0;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    const environment = { WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_RETRY_S: '600', WEBHOOKS_PER_USER: '100' };
    service = await startTestService('all', environment);
    alice = await service.user('alice');
  });
  afterAll(async () => {
    await service.stop();
    await receiver.stop();
  });
  beforeEach(async () => {
    held = [];
    count += 1;
    receiver.on(`/old-${count}`, (response) => void held.push(response));
    const { body } = await alice.post('/api/webhooks', {
      url: receiver.url(`/old-${count}`),
      events: ['answer.failed'],
    });
    id = body.id as string;
  });

  const send = () => alice.post(`/api/webhooks/${id}/test`);
  const patch = (json: unknown) =>
    alice.send('PATCH', `/api/webhooks/${id}`, {
      body: JSON.stringify(json),
      headers: { 'content-type': 'application/json' },
    });
  const move = () => patch({ url: receiver.url(`/new-${count}`) });
  const note = (failing_since: Date | null) =>
    service.db.collection('webhooks').updateOne({ _id: new mongo.ObjectId(id) }, { $set: { failing_since } });
  const longAgo = () => new Date(Date.now() - 121 * 3_600_000);
  const ended = (state: string, many: number) =>
    eventually(async () =>
      expect((await alice.get(`/api/webhooks/${id}/deliveries?state=${state}&limit=100`)).body.items).toHaveLength(
        many,
      ),
    );

  it.each<[string, number, string, () => Promise<unknown>]>([
    ['410 of an address that it has no more', 410, 'failed', move],
    [
      'failure from before it was given another address and switched on again',
      500,
      'due',
      async () => {
        await patch({ enabled: false });
        await patch({ enabled: true });
        await move();
      },
    ],
    ['failure from before another process had a success', 500, 'due', () => note(null)],
  ])('is not disabled by a %s', async (_, status, state, change) => {
    await note(longAgo());
    await send();
    await eventually(() => expect(held).toHaveLength(1));
    await change();
    held[0]?.writeHead(status).end();
    await ended(state, 1);
    receiver.on(`/old-${count}`, 204);
    await send();
    await ended('delivered', 1);
    expect((await alice.get(`/api/webhooks/${id}`)).body).toMatchObject({ enabled: true, failing_since: null });
  });

  it('has a new address start afresh, and marked as failing by no answer of the old one', async () => {
    await send();
    await eventually(() => expect(held).toHaveLength(1));
    await move();
    held[0]?.writeHead(500).end();
    await ended('due', 1);
    expect((await alice.get(`/api/webhooks/${id}`)).body).toMatchObject({ failing_since: null });
    await note(longAgo());
    const { body }: Json = await patch({ url: receiver.url('/newest') });
    expect(body.failing_since).toBeNull();
  });

  it('sends what still waits to its new address', async () => {
    await Promise.all(Array.from({ length: 12 }, send));
    await eventually(() => expect(held).toHaveLength(4));
    await move();
    for (const response of held) response.writeHead(204).end();
    await ended('delivered', 12);
    expect(held).toHaveLength(4);
    expect(receiver.at(`/new-${count}`)).toHaveLength(8);
  });
});
