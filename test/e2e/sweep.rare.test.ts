import { jest } from '@jest/globals';
import { SweepScheduler } from '../../src/sweep/sweep.scheduler.js';
import { type TestService, eventually, startTestService } from '../support/service.js';

jest.setTimeout(60_000);

describe('what the sweep does once an hour', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startTestService('all', { TRANSCRIBER: 'openai', OPENAI_API_KEY: 'a-key' });
  });
  afterAll(() => service.stop());

  it('is done for each step, whichever of them fails, and not again at every sweep', async () => {
    const scheduler = service.service.app.get(SweepScheduler, { strict: false });
    const locks = service.db.collection<{ _id: string; cleaned_at?: Date }>('locks');
    const cleaned = async () => (await locks.findOne({ _id: 'sweep' }))?.cleaned_at?.getTime() ?? 0;
    await eventually(async () => expect(await cleaned()).toBeGreaterThan(0));
    let failed = 0;
    let done = 0;
    scheduler.addRare(() => Promise.reject(new Error(`No, and not the ${(failed += 1)}. time either`)));
    scheduler.addRare(() => Promise.resolve((done += 1)));

    const hourAgo = Date.now() - 3_700_000;
    await locks.updateOne({ _id: 'sweep' }, { $set: { cleaned_at: new Date(hourAgo) } });
    await eventually(async () => expect(await cleaned()).toBeGreaterThan(hourAgo));
    expect([failed, done]).toEqual([1, 1]);
    for (let sweep = 0; sweep < 3; sweep++) await scheduler.once();
    expect([failed, done]).toEqual([1, 1]);
  });
});
