import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { Job } from 'bull';
import { mongo } from 'mongoose';
import { PermanentError } from '../common/app-error.js';
import type { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import type { Config } from '../config/config.js';
import type { LedgerNotes } from '../uploads/ledger-notes.js';
import type { Claim, StageLedger } from '../uploads/stage-ledger.js';
import type { UploadTargets } from '../uploads/targets.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { Dispatcher } from './dispatcher.js';
import { RetryAt, STAGE_QUEUES } from './queues.js';
import type { StageJob } from './queues.js';
import { StageHandler } from './stage-handler.js';
import type { Ahead, StageContext } from './stage-handler.js';
import { StageWorker } from './stage-worker.js';

class Handler extends StageHandler {
  timeoutS = 60;
  showsProgress = false;
  readonly unexpected = 'It failed';
  readonly begun: string[] = [];

  constructor(
    readonly stage: StageHandler['stage'],
    readonly concurrency: number,
    private readonly work: () => Promise<Partial<Upload>>,
    private readonly asksEngine: boolean,
  ) {
    super();
  }

  next = () => [];
  finished = () => Promise.resolve();

  readonly read = { closed: 0, begin: (_: Upload) => undefined, close: () => void this.read.closed++ };
  readonly given: unknown[] = [];
  signal: AbortSignal | null = null;

  override ahead(): Ahead {
    return this.read;
  }

  run({ row, ahead, signal, engine }: StageContext): Promise<Partial<Upload>> {
    this.given.push(ahead);
    this.signal = signal;
    const work = () => {
      this.begun.push(row._id.toHexString());
      return this.work();
    };
    return this.asksEngine ? engine(work) : work();
  }
}

/** A worker with `places` for transcriptions, whose results are written when they are let. */
function stand(places: number, work: () => Promise<Partial<Upload>> = () => Promise.resolve({}), asksEngine = false) {
  const writes: ((done: boolean | Error) => void)[] = [];
  const warnings: string[] = [];
  const stages = {
    claim: async (id: mongo.ObjectId, stage: string, _worker: string, seen: (row: Upload) => void) => {
      const row = { _id: id, stages: {} };
      await Promise.resolve();
      seen(row as Upload);
      return { id, stage, token: 't', mark: 'm', row, attempt: 1, claimedAt: new Date() };
    },
    complete: () =>
      new Promise<boolean>((resolve, reject) =>
        writes.push((done) => (done instanceof Error ? reject(done) : resolve(done))),
      ),
    fail: () => Promise.resolve({ outcome: 'retry', dueAt: new Date() }),
    after: ({ row }: Claim) => row,
    afterFailure: ({ row }: Claim) => row,
    latest: (row: Upload) => Promise.resolve(row),
    renew: () => Promise.resolve(true),
    redispatch: (_row: Upload): Promise<number | null> => Promise.resolve(2),
    giveBack: ({ row }: Claim) => Promise.resolve(row),
    reread: (row: Upload) => Promise.resolve(row),
  };
  const dispatched: number[] = [];
  const first: boolean[] = [];
  const projects: (() => Promise<void>)[] = [];
  const processors = new Map<string, (job: Job<StageJob>) => Promise<void>>();
  const queue = (stage: string) => ({
    on: () => undefined,
    pause: () => Promise.resolve(),
    process: (_: number, run: (job: Job<StageJob>) => Promise<void>) => {
      processors.set(stage, run);
      return new Promise<void>(() => undefined);
    },
  });
  const dispatch = (_: Upload, __: string, number: number, place: { first?: boolean }) => {
    dispatched.push(number);
    first.push(place.first ?? false);
  };
  const log = {
    pino: { info: () => undefined, error: () => undefined, warn: (_: unknown, m: string) => warnings.push(m) },
  };
  const worker = new StageWorker(
    stages as unknown as StageLedger,
    { projected: () => undefined } as unknown as LedgerNotes,
    { of: () => ({ project: () => projects.shift()?.() ?? Promise.resolve() }) } as unknown as UploadTargets,
    { queue, dispatch } as unknown as Dispatcher,
    { STAGE_LEASE_S: 30, SHUTDOWN_TIMEOUT_S: 10 } as Config,
    new Metrics(),
    log as unknown as Log,
  );
  const handler = new Handler('transcription', places, work, asksEngine);
  worker.register(handler);
  for (const stage of STAGE_QUEUES) if (stage !== 'transcription') worker.register(new Handler(stage, 1, work, false));
  worker.start();
  let left = 0;
  const take = () => {
    const data = { upload_id: new mongo.ObjectId().toHexString(), correlation_id: null };
    const taken = processors.get('transcription')!({ data } as Job<StageJob>);
    taken.then(
      () => left++,
      () => undefined,
    );
    return taken;
  };
  return { worker, handler, stages, writes, warnings, dispatched, first, projects, take, left: () => left };
}

const settle = async () => {
  for (let i = 0; i < 5; i++) await turn();
};

describe('a place for work', () => {
  it('is free once the work is done, while its result is still being written', async () => {
    const { handler, writes, take, left } = stand(1);
    await take();
    expect([left(), writes.length, handler.begun.length]).toEqual([1, 1, 1]);
    writes[0]!(true);
    await settle();
  });

  it('is kept while as many results wait to be written as there are places, so that they do not pile up', async () => {
    const { writes, take, left } = stand(2);
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
    const { take, left } = stand(1, () => Promise.reject(new Error('broken')));
    await expect(take()).rejects.toThrow(RetryAt);
    expect(left()).toBe(0);
  });
});

describe('work that begins while its stage is being claimed', () => {
  it('is given what was read ahead, which is closed when it is over', async () => {
    const { handler, writes, take } = stand(1);
    await take();
    expect([handler.given, handler.read.closed]).toEqual([[handler.read], 0]);
    writes[0]!(true);
    await settle();
    expect(handler.read.closed).toBe(1);
  });

  it('does not wait for the claim, and its result does', async () => {
    const { handler, stages, writes, take } = stand(1);
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
    const { handler, stages, writes, take } = stand(1);
    const { claim } = stages;
    stages.claim = (...asked) => claim(...asked).then(answer) as ReturnType<typeof claim>;
    await take().catch(() => undefined);
    await settle();
    expect([handler.signal?.aborted, handler.read.closed, writes.length]).toEqual([true, 1, 0]);
  });

  it('fails as any other does where what it needs could not be read', async () => {
    const { handler, take } = stand(1);
    handler.read.begin = () => {
      throw new Error('broken');
    };
    await expect(take()).rejects.toThrow(RetryAt);
    expect(handler.given).toEqual([]);
  });
});

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
    const it = stand(1, run, true);
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
    stages.claim = () => Promise.reject(new Error('MongoDB is away'));
    await take();
    await settle();
    expect(warnings).toEqual(['Attempt cut short, the sweep will see to it']);
    await expect(take()).rejects.toThrow('MongoDB is away');
    stages.claim = claim;
    void take();
    await settle();
    expect(left()).toBe(2);
  });
});

describe('a result that could not be written', () => {
  it('is told in the log, as the queue no longer hears of it', async () => {
    const { writes, warnings, take } = stand(1);
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
    const { take, handler, writes, projects, dispatched } = stand(1, () => new Promise((resolve) => (end = resolve)));
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
    const { worker, take } = stand(1);
    await worker.beforeApplicationShutdown();
    await expect(take()).rejects.toThrow(RetryAt);
  });

  it('waits for results that are being written after their places were free', async () => {
    const { worker, writes, take } = stand(1);
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
