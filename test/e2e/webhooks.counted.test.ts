import type { ServerResponse } from 'node:http';
import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Log } from '../../src/common/logging.js';
import { type Caller, eventually, startTestService, type TestService } from '../support/service.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

describe('a delivery that does not arrive', () => {
  let service: TestService;
  let receiver: WebhookReceiver;
  let alice: Caller;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    service = await startTestService('all', {
      WEBHOOK_ALLOW_PRIVATE: 'true',
      WEBHOOK_RETRY_S: '0.1,600',
      WEBHOOK_TIMEOUT_S: '30',
    });
    alice = await service.user('alice');
  });
  afterAll(async () => {
    await service.stop();
    await receiver.stop();
  });

  async function webhook(path: string): Promise<string> {
    const { body } = await alice.post('/api/webhooks', { url: receiver.url(path), events: ['answer.failed'] });
    return body.id as string;
  }

  /** Waits until the metrics have a line that begins like this. */
  const counted = (line: string) =>
    eventually(async () => expect((await alice.get('/metrics')).body.split('\n')).toContain(line));

  it('is counted by its code at each attempt, and as cancelled once its webhook is disabled', async () => {
    const id = await webhook('/failing');
    receiver.on('/failing', 503);
    await alice.post(`/api/webhooks/${id}/test`);
    await counted('vivavoce_failures_total{stage="webhook",code="bad_status"} 2');
    await alice.send('PATCH', `/api/webhooks/${id}`, {
      body: '{"enabled": false}',
      headers: { 'content-type': 'application/json' },
    });
    await counted('vivavoce_webhook_deliveries_total{event="webhook.test",outcome="cancelled"} 1');
  });

  it('holds up no other user, though all receivers of its owner hang', async () => {
    const hanging: ServerResponse[] = [];
    receiver.on('/hangs', (response) => void hanging.push(response));
    const ids = await Promise.all(Array.from({ length: 9 }, () => webhook('/hangs')));
    await Promise.all(ids.flatMap((id) => Array.from({ length: 4 }, () => alice.post(`/api/webhooks/${id}/test`))));
    await eventually(() => expect(hanging).toHaveLength(8));
    const bob = await service.user('bob');
    const { body } = await bob.post('/api/webhooks', { url: receiver.url('/bob'), events: ['answer.failed'] });
    await bob.post(`/api/webhooks/${body.id}/test`);
    await eventually(() => expect(receiver.at('/bob')).toHaveLength(1));
    // None of them was given up before: all places that they may have are still taken.
    expect(hanging).toHaveLength(8);
    await Promise.all(ids.map((id) => alice.delete(`/api/webhooks/${id}`)));
    for (const response of hanging) response.end();
  });

  it('is counted and logged when its sender went away', async () => {
    const id = await webhook('/lost');
    receiver.on('/lost', () => undefined);
    const warn = jest.spyOn(service.service.app.get(Log).pino, 'warn');
    await alice.post(`/api/webhooks/${id}/test`);
    await eventually(() => expect(receiver.at('/lost')).toHaveLength(1));
    const deliveries = service.db.collection('webhook_deliveries');
    const lost = { token: 'of a process that is gone', lease_until: new Date(0) };
    await deliveries.updateOne({ webhook_id: new mongo.ObjectId(id) }, { $set: lost });
    await counted('vivavoce_failures_total{stage="webhook",code="sender_lost"} 1');
    const line = expect.objectContaining({ webhook_id: id, code: 'sender_lost' });
    expect(warn).toHaveBeenCalledWith(line, 'Webhook not delivered, will be tried again');
  });
});
