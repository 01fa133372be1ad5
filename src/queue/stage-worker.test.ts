import { setImmediate as turn } from 'node:timers/promises';
import type { Job } from 'bull';
import { mongo } from 'mongoose';
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
import { StageWorker } from './stage-worker.js';

class Handler extends StageHandler {
  readonly timeoutS = 60;
  readonly showsProgress = false;
  readonly unexpected = 'It failed';
  readonly begun: string[] = [];

  constructor(
    readonly stage: StageHandler['stage'],
    readonly concurrency: number,
    private readonly work: () => Promise<Partial<Upload>>,
  ) {
    super();
  }

  next = () => [];
  finished = () => Promise.resolve();

  run({ claim }: { claim: Claim }): Promise<Partial<Upload>> {
    this.begun.push(claim.id.toHexString());
    return this.work();
  }
}

/** A worker with `places` for transcriptions, whose results are written when they are let. */
function stand(places: number, work: () => Promise<Partial<Upload>> = () => Promise.resolve({})) {
  const writes: ((done: boolean | Error) => void)[] = [];
  const warnings: string[] = [];
  const stages = {
    claim: (id: mongo.ObjectId, stage: string) =>
      Promise.resolve({ id, stage, token: 't', row: { _id: id, stages: {} }, attempt: 1, claimedAt: new Date() }),
    complete: () =>
      new Promise<boolean>((resolve, reject) =>
        writes.push((done) => (done instanceof Error ? reject(done) : resolve(done))),
      ),
    fail: () => Promise.resolve({ outcome: 'retry', dueAt: new Date() }),
    after: ({ row }: Claim) => row,
    afterFailure: ({ row }: Claim) => row,
    latest: (row: Upload) => Promise.resolve(row),
    renew: () => Promise.resolve(true),
  };
  const processors = new Map<string, (job: Job<StageJob>) => Promise<void>>();
  const queue = (stage: string) => ({
    on: () => undefined,
    pause: () => Promise.resolve(),
    process: (_: number, run: (job: Job<StageJob>) => Promise<void>) => {
      processors.set(stage, run);
      return new Promise<void>(() => undefined);
    },
  });
  const log = {
    pino: { info: () => undefined, error: () => undefined, warn: (_: unknown, m: string) => warnings.push(m) },
  };
  const worker = new StageWorker(
    stages as unknown as StageLedger,
    { projected: () => undefined } as unknown as LedgerNotes,
    { of: () => ({ project: () => Promise.resolve() }) } as unknown as UploadTargets,
    { queue, dispatch: () => undefined } as unknown as Dispatcher,
    { STAGE_LEASE_S: 30, SHUTDOWN_TIMEOUT_S: 10 } as Config,
    new Metrics(),
    log as unknown as Log,
  );
  const handler = new Handler('transcription', places, work);
  worker.register(handler);
  for (const stage of STAGE_QUEUES) if (stage !== 'transcription') worker.register(new Handler(stage, 1, work));
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
  return { worker, handler, writes, warnings, take, left: () => left };
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

describe('a result that could not be written', () => {
  it('is told in the log, as the queue no longer hears of it', async () => {
    const { writes, warnings, take } = stand(1);
    await take();
    writes[0]!(new Error('MongoDB is away'));
    await settle();
    expect(warnings).toEqual(['Result not written whole, the sweep will see to it']);
  });
});

describe('a worker that stops', () => {
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
