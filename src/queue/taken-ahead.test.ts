import { jest } from '@jest/globals';
import { PermanentError } from '../common/app-error.js';
import type { Upload } from '../uploads/upload.schema.js';
import { settle, workerStand } from '../../test/support/worker-stand.js';

describe('a job taken ahead of a quick engine', () => {
  /** What the worker takes for the time, in milliseconds: a busy machine must not make the engine slow. */
  let now = 0;
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
    jest.spyOn(performance, 'now').mockImplementation(() => now);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  function pass(ms: number): void {
    now += ms;
    jest.advanceTimersByTime(ms);
  }

  /** Its engine was quick once; what it is given from then on ends when it is let. */
  async function quickOnce() {
    const ends: ((result: Partial<Upload> | Error) => void)[] = [];
    let first = true;
    const run = () => {
      if (first) return Promise.resolve({});
      return new Promise<Partial<Upload>>((resolve, reject) =>
        ends.push((result) => (result instanceof Error ? reject(result) : resolve(result))),
      );
    };
    const it = workerStand(1, run, true);
    await it.take();
    it.writes[0]!(true);
    await settle();
    first = false;
    return { ...it, ends };
  }

  it('is done for the queue at once, and waits for its turn at the engine', async () => {
    const { take, handler, ends, writes } = await quickOnce();
    await take();
    await take();
    await settle();
    expect(handler.begun).toHaveLength(2);
    ends[0]!({});
    await settle();
    expect(handler.begun).toHaveLength(3);
    ends[1]!({});
    await settle();
    expect(writes).toHaveLength(3);
    for (const write of writes) write(true);
  });

  it('has the queue wait while as many are ahead as may be, until one of them is over', async () => {
    const { take, left, ends, writes } = await quickOnce();
    const before = left();
    for (let i = 0; i < 8; i++) void take();
    await settle();
    expect(left() - before).toBe(7);
    ends[0]!({});
    await settle();
    writes.at(-1)!(true);
    await settle();
    expect(left() - before).toBe(8);
  });

  it('is given to the queue again when it failed and may succeed later', async () => {
    const { take, ends, dispatched } = await quickOnce();
    await take();
    await settle();
    ends[0]!(new Error('broken'));
    await settle();
    expect(dispatched).toEqual([2]);
  });

  it('waits for its turn without losing time of its own', async () => {
    const { take, handler, ends, writes, dispatched } = await quickOnce();
    await take();
    await settle();
    handler.timeoutS = 0.5;
    await take();
    pass(800);
    ends[0]!({});
    await settle();
    ends[1]!({});
    await settle();
    expect([writes.length, dispatched]).toEqual([3, []]);
  });

  it('is not given to the engine when its row was erased, or replaced, while it waited', async () => {
    const { take, handler, stages, ends, writes, dispatched } = await quickOnce();
    await take();
    await settle();
    await take();
    pass(150);
    stages.renew = () => Promise.resolve(false);
    ends[0]!({});
    await settle();
    expect(handler.begun).toHaveLength(2);
    expect([writes.length, dispatched]).toEqual([2, []]);
  });

  it('is given back, for another worker, when its turn does not come soon', async () => {
    const { take, handler, dispatched, first, ends } = await quickOnce();
    await take();
    await settle();
    await take();
    await settle();
    pass(4900);
    await settle();
    expect(dispatched).toEqual([]);
    pass(200);
    await settle();
    expect(dispatched).toEqual([2]);
    // It has waited longer than what is in the queue.
    expect(first).toEqual([true]);
    ends[0]!({});
    await settle();
    expect(handler.begun).toHaveLength(2);
  });

  it('is given back under the number after the one that the sweep gave it meanwhile', async () => {
    const { take, stages, dispatched, ends } = await quickOnce();
    await take();
    await settle();
    await take();
    await settle();
    const stale = { ...stages };
    stages.redispatch = (row) => Promise.resolve(row === fresh ? 3 : null);
    const fresh = {} as Upload;
    stages.reread = () => Promise.resolve(fresh);
    pass(5100);
    await settle();
    expect(dispatched).toEqual([3]);
    Object.assign(stages, stale);
    ends[0]!({});
    await settle();
  });

  it('keeps being taken when the engine refused some audio, which says nothing of its speed', async () => {
    const { take, left, ends } = await quickOnce();
    await take();
    await settle();
    ends[0]!(new PermanentError('audio_unreadable', 'Not audio'));
    await settle();
    const before = left();
    void take();
    void take();
    await settle();
    expect(left() - before).toBe(2);
  });

  it('is left to the sweep, and the log, when its row could not be claimed; the next one is not taken ahead', async () => {
    const { take, stages, warnings, left } = await quickOnce();
    const { claim } = stages;
    stages.claim = () => settle().then(() => Promise.reject(new Error('MongoDB is away')));
    await take();
    await settle();
    await settle();
    expect(warnings).toEqual(['Attempt cut short, the sweep will see to it']);
    await expect(take()).rejects.toThrow('MongoDB is away');
    stages.claim = claim;
    void take();
    await settle();
    expect(left()).toBe(2);
  });

  it("is the queue's to try again when it fails before the queue was told", async () => {
    const { take, stages } = await quickOnce();
    stages.claim = () => Promise.reject(new Error('MongoDB is away'));
    await expect(take()).rejects.toThrow('MongoDB is away');
  });
});
