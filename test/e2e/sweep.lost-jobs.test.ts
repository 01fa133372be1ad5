import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Dispatcher } from '../../src/queue/dispatcher.js';
import { type Json, type TestService, eventually, fresh, startTestService } from '../support/service.js';

jest.setTimeout(60_000);

describe('what counts as a job that will still run', () => {
  let service: TestService;

  // Without a worker: the test moves the job as one would.
  beforeAll(async () => {
    service = await startTestService('api');
  });
  afterAll(() => service.stop());

  it('is told at one moment: a job that moves from list to list meanwhile is not lost, one that is in none is', async () => {
    const alice = await service.user('alice');
    const { body } = await alice.upload(await alice.session(), 'q1', fresh('answer-0880.webm'));
    const row: Json = await service.db
      .collection('uploads')
      .findOne({ _id: new mongo.ObjectId(body.upload_id as string) });
    const dispatcher = service.service.app.get(Dispatcher, { strict: false });
    const queue = dispatcher.queue('transcription');
    const [wait, active] = [queue.toKey('wait'), queue.toKey('active')];
    await eventually(async () => expect(await queue.client.llen(wait)).toBe(1));

    const mover = queue.client.duplicate();
    let isOver = false;
    const moving = (async () => {
      while (!isOver) {
        await mover.rpoplpush(wait, active);
        await mover.rpoplpush(active, wait);
      }
    })();
    const seen = new Set<number>();
    for (let look = 0; look < 300; look++)
      seen.add((await dispatcher.withLiveJob([row as never], 'transcription')).size);
    isOver = true;
    await moving;
    mover.disconnect();
    expect([...seen]).toEqual([1]);

    await queue.client.del(wait);
    expect((await dispatcher.withLiveJob([row as never], 'transcription')).size).toBe(0);
  });
});
