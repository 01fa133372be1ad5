import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Outbox } from '../../src/events/outbox.js';
import { DeliveryRepository } from '../../src/webhooks/delivery.repository.js';
import { Sweeper } from '../../src/sweep/sweeper.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, eventually, fresh, type Json, type TestService } from '../support/service.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

const EVENTS = ['answer.completed', 'answer.scored', 'session.analyzed'];

/** The process ends, each time, right after the change is written: nobody is told by it. The sweep is run by hand. */
describe('an event whose process died before it told anybody', () => {
  let running: ServiceWithEngine;
  let service: TestService;
  let receiver: WebhookReceiver;
  let sweeper: Sweeper;
  let alice: Caller;
  let session: string;
  let path: string;
  let count = 0;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    running = await startWithEngine('all', { WEBHOOK_ALLOW_PRIVATE: 'true', SWEEP_INTERVAL_S: '3600' });
    ({ service } = running);
    sweeper = service.service.app.get(Sweeper, { strict: false });
    const outbox = service.service.app.get(Outbox, { strict: false });
    jest.spyOn(outbox, 'nudge').mockImplementation(() => undefined);
  });
  afterAll(async () => {
    await running.stop();
    await receiver.stop();
  });
  beforeEach(async () => {
    alice = await service.user(`alice-${++count}`);
    path = `/${count}`;
    await alice.post('/api/webhooks', { url: receiver.url(path), events: EVENTS });
    session = await alice.session(['q1']);
  });

  const told = () => receiver.at(path).map(({ body }) => `${body.data.upload_id ?? 'session'} ${body.type}`);
  const recorded = () => service.db.collection('webhook_deliveries').countDocuments({ session_id: session });
  const answered = async (bytes: Buffer): Promise<string> => {
    const { body } = await alice.upload(session, 'q1', bytes);
    await alice.answer(session, 'q1', (answer) => answer.id === body.upload_id && answer.score !== undefined);
    await alice.answer(session, 'q1');
    return body.upload_id as string;
  };

  it('is told by the sweep, once, however often that runs', async () => {
    const id = await answered(fresh('answer-0870.webm'));
    await alice.post(`/api/analyze/${session}`);
    const [row] = await service.rows(session);
    const owed = Object.values<Json>(row.owed).map(({ type }) => type as string);
    expect(owed).toEqual(['answer.completed', 'answer.scored']);
    expect(await recorded()).toBe(0);

    await eventually(async () => {
      await sweeper.sweep();
      expect(told().sort()).toEqual([`${id} answer.completed`, `${id} answer.scored`, 'session session.analyzed']);
    });
    const [after] = await service.rows(session);
    expect([after.owed, after.events_due]).toEqual([undefined, undefined]);
    // Even as if the marks had not been taken away in time.
    const marks = { owed: row.owed, events_due: row.events_due };
    await service.db.collection('uploads').updateOne({ _id: row._id }, { $set: marks });
    await eventually(async () => {
      await sweeper.sweep();
      expect((await service.rows(session))[0].events_due).toBeUndefined();
    });
    expect(await recorded()).toBe(3);
    expect(told()).toHaveLength(3);
  });

  it('is sent by the sweep though the backlog of another webhook is longer than it looks at', async () => {
    const deliveries = service.service.app.get(DeliveryRepository, { strict: false });
    const [busy, other] = [new mongo.ObjectId(), new mongo.ObjectId()];
    const about = { type: 'answer.scored', body: '{}', subject: null, session_id: null, upload_id: null };
    const delivery = (webhook_id: mongo.ObjectId, index: number) => ({
      ...about,
      webhook_id,
      event_id: `msg_${index}`,
      correlation_id: null,
    });
    await deliveries.create(Array.from({ length: 20 }, (_, index) => delivery(busy, index)));
    await deliveries.create([delivery(other, 0)]);
    const overdue = await deliveries.overdue(new Date(Date.now() + 1000), 2);
    expect(overdue.map(String).sort()).toEqual([String(busy), String(other)].sort());
    for (const id of [busy, other]) await deliveries.removeAll(id);
  });

  it('is not told of a take that was replaced meanwhile', async () => {
    const first = await answered(fresh('answer-0870.webm'));
    const second = await answered(fresh('answer-0880.webm'));
    await eventually(async () => {
      await sweeper.sweep();
      expect(told().sort()).toEqual([`${second} answer.completed`, `${second} answer.scored`]);
    });
    expect(told().filter((one) => one.startsWith(first))).toEqual([]);
    expect((await service.rows(session))[0]).not.toHaveProperty('owed');
  });

  it('is told to each webhook, though one was recorded already and the disk was full for the other', async () => {
    const other = `/other-${count}`;
    await alice.post('/api/webhooks', { url: receiver.url(other), events: ['answer.completed'] });
    const id = await answered(fresh('answer-0870.webm'));
    const insertMany = jest.spyOn(mongo.Collection.prototype, 'insertMany');
    insertMany.mockImplementationOnce(async function (this: mongo.Collection, [first, second]) {
      await this.insertOne(first);
      const writeErrors = [
        { index: 0, code: 11000, errmsg: 'duplicate key', op: first },
        { index: 1, code: 14031, errmsg: 'no space', op: second },
      ] as never;
      throw new mongo.MongoBulkWriteError({ message: 'duplicate key', code: 11000, writeErrors }, {} as never);
    });
    await eventually(async () => {
      await sweeper.sweep();
      expect(insertMany).toHaveBeenCalled();
    });
    insertMany.mockRestore();
    await eventually(async () => {
      await sweeper.sweep();
      const toldOther = receiver.at(other).map(({ body }) => `${body.data.upload_id} ${body.type}`);
      expect(toldOther).toEqual([`${id} answer.completed`]);
      expect(told().sort()).toEqual([`${id} answer.completed`, `${id} answer.scored`]);
    });
  });
});
