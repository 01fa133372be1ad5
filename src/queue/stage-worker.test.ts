import { jest } from '@jest/globals';
import type { Upload } from '../uploads/upload.schema.js';
import { settle, workerStand } from '../../test/support/worker-stand.js';
import { RetryAt } from './queues.js';

describe('a place for work', () => {
  it('is free once the work is done, while its result is still being written', async () => {
    const { handler, writes, take, left } = workerStand(1);
    await take();
    expect([left(), writes.length, handler.begun.length]).toEqual([1, 1, 1]);
    writes[0]!(true);
    await settle();
  });

  it('is kept while as many results wait to be written as there are places, so that they do not pile up', async () => {
    const { writes, take, left } = workerStand(2);
    await Promise.all([take(), take()]);
    const more = [take(), take()];
    await settle();
    expect([writes.length, left()]).toEqual([4, 2]);
    for (const write of writes) write(true);
    await Promise.all(more);
    expect(left()).toBe(4);
    await take();
    expect(left()).toBe(5);
    writes[4]!(true);
    await settle();
  });

  it('is kept by work that failed, until the queue can be told when it is due again', async () => {
    const { take, left } = workerStand(1, () => Promise.reject(new Error('broken')));
    await expect(take()).rejects.toThrow(RetryAt);
    expect(left()).toBe(0);
  });
});

describe('work that begins while its stage is being claimed', () => {
  it('is given what was read ahead, which is closed when it is over', async () => {
    const { handler, writes, take } = workerStand(1);
    await take();
    expect([handler.given, handler.read.closed]).toEqual([[handler.read], 0]);
    writes[0]!(true);
    await settle();
    expect(handler.read.closed).toBe(1);
  });

  it('does not wait for the claim, and its result does', async () => {
    const { handler, stages, writes, take } = workerStand(1);
    const { claim } = stages;
    let answer!: () => void;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    stages.claim = async (...asked) => {
      const ours = await claim(...asked);
      await answered;
      return ours;
    };
    void take();
    await settle();
    expect([handler.begun.length, writes.length]).toEqual([1, 0]);
    answer();
    await settle();
    expect(writes).toHaveLength(1);
    writes[0]!(true);
  });

  it.each([
    ['somebody else has the stage', () => Promise.resolve(null)],
    ['it is not known who has it', () => Promise.reject(new Error('MongoDB is away'))],
  ])('is ended, and nothing of it written, where %s', async (_, answer) => {
    const { handler, stages, writes, take } = workerStand(1);
    const { claim } = stages;
    stages.claim = (...asked) => claim(...asked).then(answer) as ReturnType<typeof claim>;
    await take().catch(() => undefined);
    await settle();
    expect([handler.signal?.aborted, handler.read.closed, writes.length]).toEqual([true, 1, 0]);
  });

  it('fails as any other does where what it needs could not be read', async () => {
    const { handler, take } = workerStand(1);
    handler.read.begin = () => {
      throw new Error('broken');
    };
    await expect(take()).rejects.toThrow(RetryAt);
    expect(handler.given).toEqual([]);
  });
});

describe('a result that could not be written', () => {
  it('is told in the log, as the queue no longer hears of it', async () => {
    const { writes, warnings, take } = workerStand(1);
    await take();
    writes[0]!(new Error('MongoDB is away'));
    await settle();
    expect(warnings).toEqual(['Attempt cut short, the sweep will see to it']);
  });
});

describe('work that takes a while', () => {
  it('is none the worse for not being shown as under way', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
    let end!: (result: Partial<Upload>) => void;
    const { take, handler, writes, projects, dispatched } = workerStand(
      1,
      () => new Promise((resolve) => (end = resolve)),
    );
    handler.showsProgress = true;
    let asked = 0;
    projects.push(() => {
      asked += 1;
      throw new Error('MongoDB is away');
    });
    void take();
    await settle();
    jest.advanceTimersByTime(300);
    await settle();
    end({});
    await settle();
    expect([asked, writes.length, dispatched]).toEqual([1, 1, []]);
    writes[0]!(true);
    await settle();
    jest.useRealTimers();
  });
});

describe('a worker that stops', () => {
  it('tells the queue of a job that it did not begin', async () => {
    const { worker, take } = workerStand(1);
    await worker.beforeApplicationShutdown();
    await expect(take()).rejects.toThrow(RetryAt);
  });

  it('waits for results that are being written after their places were free', async () => {
    const { worker, writes, take } = workerStand(1);
    await take();
    let stopped = false;
    const stopping = worker.beforeApplicationShutdown().then(() => (stopped = true));
    await settle();
    expect(stopped).toBe(false);
    writes[0]!(true);
    await stopping;
    expect(stopped).toBe(true);
  });
});
