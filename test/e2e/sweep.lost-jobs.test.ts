import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Dispatcher } from '../../src/queue/dispatcher.js';
import { jobIdOf } from '../../src/queue/queues.js';
import { LostJobs } from '../../src/sweep/lost-jobs.js';
import { StageLedger } from '../../src/uploads/stage-ledger.js';
import { type Json, type TestService, eventually, fresh, startTestService } from '../support/service.js';

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

  it('one that a worker has taken ahead is over for Bull before its row is claimed: it gets no second job', async () => {
    const alice = await service.user('alice');
    const { body } = await alice.upload(await alice.session(), 'q1', fresh('answer-0880.webm'));
    const id = new mongo.ObjectId(body.upload_id as string);
    const { app } = service.service;
    const dispatcher = app.get(Dispatcher, { strict: false });
    const queue = dispatcher.queue('transcription');
    await eventually(async () => (await queue.getJob(jobIdOf(body.upload_id, 'transcription', 1)))!.remove());
    const uploads = service.db.collection('uploads');
    const isOverdue = { 'stages.transcription.due_at': new Date(Date.now() - 60_000) };
    await eventually(async () => {
      const { modifiedCount } = await uploads.updateOne({ _id: id, link_due: { $exists: false } }, { $set: isOverdue });
      expect(modifiedCount).toBe(1);
    });

    // The worker's write comes in after the sweep has looked at Bull.
    const look = dispatcher.withLiveJob.bind(dispatcher);
    const looking = jest.spyOn(dispatcher, 'withLiveJob');
    const looked = new Promise<void>((resolve) => {
      looking.mockImplementation(async (...of) => {
        const live = await look(...of);
        resolve();
        return live;
      });
    });
    const sweep = app.get(LostJobs, { strict: false }).find(false, new AbortController().signal);
    await looked;
    expect(await app.get(StageLedger, { strict: false }).claim(id, 'transcription', 'worker')).not.toBeNull();
    await sweep;
    looking.mockRestore();
    const row: Json = await uploads.findOne({ _id: id });
    expect(row.stages.transcription).toMatchObject({ state: 'processing', dispatch: 1 });
  });
});
