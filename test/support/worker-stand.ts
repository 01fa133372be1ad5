import { setImmediate as turn } from 'node:timers/promises';
import type { Job } from 'bull';
import { mongo } from 'mongoose';
import type { Log } from '../../src/common/logging.js';
import { Metrics } from '../../src/common/metrics.js';
import type { Config } from '../../src/config/config.js';
import type { Dispatcher } from '../../src/queue/dispatcher.js';
import { STAGE_QUEUES } from '../../src/queue/queues.js';
import type { StageJob } from '../../src/queue/queues.js';
import { StageHandler } from '../../src/queue/stage-handler.js';
import type { Ahead, StageContext } from '../../src/queue/stage-handler.js';
import { StageWorker } from '../../src/queue/stage-worker.js';
import type { LedgerNotes } from '../../src/uploads/ledger-notes.js';
import type { Claim, StageLedger } from '../../src/uploads/stage-ledger.js';
import type { UploadTargets } from '../../src/uploads/targets.js';
import type { Upload } from '../../src/uploads/upload.schema.js';

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
export function workerStand(
  places: number,
  work: () => Promise<Partial<Upload>> = () => Promise.resolve({}),
  asksEngine = false,
) {
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

/** Lets what waits for nothing but its turn go on. */
export const settle = async () => {
  for (let i = 0; i < 5; i++) await turn();
};
