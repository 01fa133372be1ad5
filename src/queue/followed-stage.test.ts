import type { Upload } from '../uploads/upload.schema.js';
import { RetryAt } from './queues.js';
import { settle, workerStand } from '../../test/support/worker-stand.js';

describe('a stage that follows another in the same worker', () => {
  /** Transcriptions whose work is over at once, and the analysis that follows them. */
  function stand(places = 2, work?: () => Promise<Partial<Upload>>) {
    const it = workerStand(places, work);
    it.handler.following = ['analysis'];
    it.analysis.followsOn = true;
    it.analysis.yieldsTo = 'transcription';
    return it;
  }

  it('is gone on with at once, without a job and a claim of its own', async () => {
    const { take, writes, analysis, claimed, dispatched } = stand();
    await take();
    expect(analysis.begun).toHaveLength(0);
    writes[0]!(true);
    await settle();
    expect([analysis.begun.length, writes.length]).toEqual([1, 2]);
    writes[1]!(true);
    await settle();
    expect([claimed, dispatched]).toEqual([['transcription'], []]);
    expect(analysis.read.closed).toBe(1);
  });

  it('is another matter where its handler does not ask for it', async () => {
    const { take, writes, analysis, dispatched } = stand();
    analysis.followsOn = false;
    await take();
    writes[0]!(true);
    await settle();
    expect([analysis.begun.length, dispatched.length]).toEqual([0, 1]);
  });

  it('comes after the result before it is shown, and also where that could not be shown', async () => {
    const { take, writes, analysis, projects, warnings } = stand();
    let shown!: (error: Error) => void;
    projects.push(() => new Promise((_, reject) => (shown = reject)));
    await take();
    writes[0]!(true);
    await settle();
    expect(analysis.begun).toHaveLength(0);
    shown(new Error('MongoDB is away'));
    await settle();
    expect([analysis.begun.length, warnings.length]).toEqual([1, 1]);
    writes[1]!(true);
  });

  it('is left to the queue while transcriptions wait, which go first', async () => {
    const { take, writes, analysis, dispatched } = stand();
    await Promise.all([take(), take(), take()]);
    expect(writes).toHaveLength(3);
    for (const write of writes) write(true);
    await settle();
    expect([analysis.begun.length, dispatched.length]).toEqual([0, 3]);
  });

  it('is left to the queue where another transcription has come in the place of the one before it', async () => {
    const { take, writes, analysis, dispatched } = stand();
    await take();
    await take();
    writes[0]!(true);
    writes[1]!(true);
    await settle();
    // The second saw the first, whose result was still being written.
    expect([analysis.begun.length, dispatched.length]).toEqual([1, 1]);
    writes[2]!(true);
  });

  it('does not wait for the very transcription that it follows', async () => {
    const { take, writes, analysis } = stand(1);
    await take();
    writes[0]!(true);
    await settle();
    expect(analysis.begun).toHaveLength(1);
    writes[1]!(true);
  });

  it('is left to the queue while as much of it is worked on as there are places', async () => {
    const { take, writes, analysis, dispatched } = stand(4);
    let end!: (result: Partial<Upload>) => void;
    analysis.work = () => new Promise((resolve) => (end = resolve));
    await take();
    writes[0]!(true);
    await settle();
    await take();
    writes[1]!(true);
    await settle();
    expect([analysis.begun.length, dispatched.length]).toEqual([1, 1]);
    end({});
    await settle();
    writes[2]!(true);
    await settle();
    await take();
    writes[3]!(true);
    await settle();
    expect([analysis.begun.length, dispatched.length]).toEqual([2, 1]);
    end({});
    await settle();
    writes[4]!(true);
  });

  it('keeps jobs of its queue waiting while it works', async () => {
    const { take, writes, analysis } = stand();
    let end!: (result: Partial<Upload>) => void;
    analysis.work = () => new Promise((resolve) => (end = resolve));
    await take();
    writes[0]!(true);
    await settle();
    void take('analysis');
    await settle();
    expect(analysis.begun).toHaveLength(1);
    end({});
    await settle();
    expect(analysis.begun).toHaveLength(2);
    end({});
    await settle();
    for (const write of writes.slice(1)) write(true);
  });

  it('has jobs of its queue told at once when the worker stops', async () => {
    const { worker, take, writes, analysis } = stand();
    let end!: (result: Partial<Upload>) => void;
    analysis.work = () => new Promise((resolve) => (end = resolve));
    await take();
    writes[0]!(true);
    await settle();
    const waiting = take('analysis');
    await settle();
    const stopped = worker.beforeApplicationShutdown();
    await expect(waiting).rejects.toThrow(RetryAt);
    end({});
    await settle();
    writes[1]!(true);
    await stopped;
  });

  it('leaves its place to the next one while its own result is being written', async () => {
    const { take, writes, analysis } = stand();
    await take();
    writes[0]!(true);
    await settle();
    expect([analysis.begun.length, writes.length]).toEqual([1, 2]);
    void take('analysis');
    await settle();
    expect(analysis.begun).toHaveLength(2);
    for (const write of writes.slice(1)) write(true);
  });

  it.each([
    ['was not ours to write', false, []],
    // As far as it was written, it is the worker's to give back.
    ['may not have been written', new Error('MongoDB is away'), [2]],
  ])('is not begun, and keeps no place, where the result before it %s', async (_, answer, again) => {
    const { take, writes, analysis, dispatched } = stand();
    await take();
    writes[0]!(answer);
    await settle();
    expect([analysis.begun.length, dispatched]).toEqual([0, again]);
    await take();
    writes[1]!(true);
    await settle();
    expect(analysis.begun).toHaveLength(1);
    writes[2]!(true);
  });

  it('is given to the queue when it failed and may succeed later', async () => {
    const { take, writes, analysis, dispatched } = stand();
    analysis.work = () => Promise.reject(new Error('broken'));
    await take();
    writes[0]!(true);
    await settle();
    expect([analysis.begun.length, dispatched]).toEqual([1, [2]]);
  });

  it('is left to the queue by a worker that stops', async () => {
    let end!: (result: Partial<Upload>) => void;
    const { worker, take, writes, analysis, first } = stand(2, () => new Promise((resolve) => (end = resolve)));
    void take();
    await settle();
    const stopped = worker.beforeApplicationShutdown();
    end({});
    await settle();
    writes[0]!(true);
    await stopped;
    // A new job, as any other: it was not taken and given back.
    expect([analysis.begun.length, first]).toEqual([0, [false]]);
  });

  it('is given back by a worker that stops meanwhile', async () => {
    const { worker, take, writes, analysis, dispatched, first } = stand();
    await take();
    const stopped = worker.beforeApplicationShutdown();
    writes[0]!(true);
    await stopped;
    expect([analysis.begun.length, dispatched, first]).toEqual([0, [2], [true]]);
  });

  it('is waited for by a worker that stops', async () => {
    const { worker, take, writes } = stand();
    await take();
    writes[0]!(true);
    await settle();
    let stopped = false;
    const stopping = worker.beforeApplicationShutdown().then(() => (stopped = true));
    await settle();
    expect(stopped).toBe(false);
    writes[1]!(true);
    await stopping;
  });
});
