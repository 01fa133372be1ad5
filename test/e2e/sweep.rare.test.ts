import { jest } from '@jest/globals';
import { getConnectionToken } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
import { Log } from '../../src/common/logging.js';
import { Config } from '../../src/config/config.js';
import { AudioCleanup } from '../../src/sweep/audio-cleanup.js';
import { RareSteps } from '../../src/sweep/rare-steps.js';
import { SweepScheduler } from '../../src/sweep/sweep.scheduler.js';
import { type Json, type TestService, eventually, startTestService } from '../support/service.js';

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

  /** Has the rare steps be due, with one more. */
  async function withStep(step: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    service.service.app.get(SweepScheduler, { strict: false }).addRare(step);
    const hourAgo = new Date(Date.now() - 3_700_000);
    await eventually(async () =>
      expect(
        (await service.db.collection<Json>('locks').updateOne({ _id: 'sweep' }, { $set: { cleaned_at: hourAgo } }))
          .matchedCount,
      ).toBe(1),
    );
  }

  it('holds up no sweep, is under way once over all replicas, and ends when the process does', async () => {
    const lock = async (id: string): Promise<Json> => service.db.collection<Json>('locks').findOne({ _id: id });
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const began = new Promise<number>((resolve) => {
      void withStep(async () => {
        resolve(Date.now());
        await ended;
      });
    });
    const at = await began;
    await eventually(async () => expect((await lock('sweep')).swept_at.getTime()).toBeGreaterThan(at + 1000));
    // For longer than its lease: it is renewed.
    await eventually(async () => expect((await lock('sweep-rare')).until.getTime()).toBeGreaterThan(at + 3000));

    const get: typeof service.service.app.get = (type: never) => service.service.app.get(type, { strict: false });
    const connection = get<Connection>(getConnectionToken());
    const another = new RareSteps(connection, get(AudioCleanup), get(Config), get(Log));
    const run = jest.spyOn(get(AudioCleanup), 'run');
    another.start(new AbortController().signal);
    await another.settled();
    expect(run).not.toHaveBeenCalled();

    end();
    await eventually(async () => expect((await lock('sweep')).cleaned_at.getTime()).toBeGreaterThan(at));
    another.start(new AbortController().signal);
    await another.settled();
    expect(run).not.toHaveBeenCalled();
  });

  it('is asked to end when the process stops, and left alone if it does not', async () => {
    const asked = jest.fn();
    await new Promise<void>((began) => {
      void withStep((signal) => {
        began();
        signal.addEventListener('abort', asked);
        return new Promise(() => undefined);
      });
    });
    const from = performance.now();
    await service.service.stop();
    expect(performance.now() - from).toBeLessThan(10_000);
    expect(asked).toHaveBeenCalledTimes(1);
    await service.service.app.get(SweepScheduler, { strict: false }).once();
  });
});
