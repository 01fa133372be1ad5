import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { Job } from 'bull';
import { correlationIdFrom, runWithCorrelation } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';
import { LedgerNotes } from '../uploads/ledger-notes.js';
import { StageLedger } from '../uploads/stage-ledger.js';
import type { Claim } from '../uploads/stage-ledger.js';
import { UploadTargets } from '../uploads/targets.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { AttemptClock, asAppError } from './attempt-clock.js';
import { AttemptWork } from './attempt-work.js';
import { keepLease } from './claim-lease.js';
import { Dispatcher } from './dispatcher.js';
import { EnginePlaces } from './engine-places.js';
import type { Place } from './engine-places.js';
import { RetryAt, STAGE_QUEUES } from './queues.js';
import type { StageJob } from './queues.js';
import { pauseQueue } from './queue-stop.js';
import { ShownLater } from './shown-later.js';
import type { StageHandler } from './stage-handler.js';

/** How long a stage lets another one go first, while more of its jobs are in hand in this process than half its places. */
const LONGEST_YIELD_MS = 3000;
const YIELD_MS = 50;

/** What the sent answer alone is to blame for: its sender is told, and whoever runs the service has nothing to do. */
const OF_THE_ANSWER: ReadonlySet<string> = new Set([
  'audio_undecodable',
  'audio_truncated',
  'audio_empty',
  'audio_too_long',
  'language_unsupported',
  'engine_audio_too_long',
  'engine_declined',
  'nothing_to_score',
]);

/** A job as this process has it in hand. */
interface Taken {
  readonly job: Job<StageJob>;
  readonly handler: StageHandler;
  readonly clock: AttemptClock;
  readonly place: Place;
}

/** Runs the stages of one worker process: claim, work, write the result while the token holds, hand over by state. */
@Injectable()
export class StageWorker implements BeforeApplicationShutdown {
  readonly id = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  private readonly handlers = new Map<StageName, StageHandler>();
  private readonly running = new Map<Promise<void>, AttemptClock>();
  private readonly places = new Map<StageName, EnginePlaces>();
  private stopping = false;

  constructor(
    private readonly stages: StageLedger,
    private readonly notes: LedgerNotes,
    private readonly targets: UploadTargets,
    private readonly dispatcher: Dispatcher,
    private readonly config: Config,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  register(handler: StageHandler): void {
    if (this.handlers.has(handler.stage)) throw new Error(`Two processors for the queue ${handler.stage}`);
    this.handlers.set(handler.stage, handler);
    this.places.set(handler.stage, new EnginePlaces(handler.concurrency));
  }

  /** Starts taking jobs. Throws when a queue has no processor. */
  start(): void {
    const missing = STAGE_QUEUES.filter((stage) => !this.handlers.has(stage));
    if (missing.length > 0) throw new Error(`No processor for the queue ${missing.join(', ')}`);
    for (const handler of this.handlers.values()) {
      const queue = this.dispatcher.queue(handler.stage);
      queue.on('error', (error) => this.log.pino.warn({ err: error, queue: handler.stage }, 'Queue error'));
      // The promise settles when the queue is closed; its errors are the queue's `error` event.
      queue.process(handler.concurrency, (job) => this.take(job, handler)).catch(() => undefined);
    }
  }

  private async take(job: Job<StageJob>, handler: StageHandler): Promise<void> {
    if (handler.yieldsTo) await this.letPass(handler.yieldsTo);
    // Bull is to hear that it was not done: as finished, only the sweep would find it.
    if (this.stopping) throw new RetryAt(new Date(), 'The worker stops');
    const clock = new AttemptClock(handler.timeoutS);
    const places = this.placesOf(handler.stage);
    const place = places.take();
    const work = runWithCorrelation(correlationIdFrom(job.data.correlation_id), () =>
      this.attempt({ job, handler, clock, place }).catch((error: unknown) => {
        const { upload_id } = job.data;
        places.takeNoneAhead();
        places.keep(place);
        this.log.pino.warn(
          { upload_id, stage: handler.stage, err: error },
          'Attempt cut short, the sweep will see to it',
        );
        return error as Error;
      }),
    );
    const settled = work.then(() => {
      clock.stop();
      this.running.delete(settled);
      places.over(place);
    });
    this.running.set(settled, clock);
    const fault = await Promise.race([work, place.leaving]);
    if (fault) throw fault;
    // Given back: this worker takes nothing in its stead that would only wait again.
    if (clock.reason === 'congestion') await places.free();
  }

  private placesOf(stage: StageName): EnginePlaces {
    return this.places.get(stage)!;
  }

  private async letPass(stage: StageName): Promise<void> {
    for (let waited = 0; waited < LONGEST_YIELD_MS && !this.stopping; waited += YIELD_MS) {
      if (!this.placesOf(stage).areBusy) return;
      await pause(YIELD_MS);
    }
  }

  /** @returns what Bull is to hear of it, null when there is nothing left to do */
  private async attempt(taken: Taken): Promise<Error | null> {
    const { job, handler, clock } = taken;
    const places = this.placesOf(handler.stage);
    const work = new AttemptWork(handler, clock, places, this.stages, this.id, job.data);
    let claim: Claim | null = null;
    try {
      claim = await work.claiming;
      // Delivered twice, superseded, or not due yet: the ledger knows better than Bull.
      return claim && (await this.work(taken, claim, work));
    } finally {
      // What was begun is another worker's to do, or nobody's.
      if (!claim) clock.abort('lost');
      work.close();
    }
  }

  private async work(taken: Taken, claim: Claim, work: AttemptWork): Promise<Error | null> {
    const { handler, clock, place } = taken;
    this.metrics.jobWait
      .labels(handler.stage)
      .observe(seconds(claim.row.stages[handler.stage]?.due_at, claim.claimedAt));
    const renewal = keepLease(this.stages, claim, this.config.STAGE_LEASE_S, () => clock.abort('lost'));
    // Shown beside the work, not before it: nobody's answer waits for the word "processing".
    const shown = handler.showsProgress ? new ShownLater(() => this.targets.of(claim.row).project(claim.row)) : null;
    let result: Partial<Upload>;
    try {
      result = await work.result(claim);
      await shown?.end();
    } catch (error) {
      await shown?.end();
      return await this.failed(taken, claim, error);
    } finally {
      clearInterval(renewal);
    }
    this.placesOf(handler.stage).done(place);
    await this.succeeded(handler, claim, result);
    return null;
  }

  private async succeeded(handler: StageHandler, claim: Claim, result: Partial<Upload>): Promise<void> {
    const { stage } = handler;
    const next = handler.next(claim.row);
    if (!(await this.stages.complete(claim, result, next))) return this.fenced(claim);
    const row = await this.stages.latest(this.stages.after(claim, result, next));
    this.observe(claim, 'done');
    await this.targets.of(row).project(row);
    this.notes.projected(row._id, claim.mark);
    for (const stageName of next) this.dispatcher.dispatch(row, stageName);
    this.log.pino.info({ ...ids(row), stage, attempt: claim.attempt }, 'Stage done');
    await handler.finished(row);
  }

  private async failed({ job, handler, clock, place }: Taken, claim: Claim, cause: unknown): Promise<Error | null> {
    const { stage } = handler;
    this.placesOf(stage).keep(place);
    if (clock.reason === 'lost') {
      this.fenced(claim);
      return null;
    }
    if (clock.reason === 'shutdown' || clock.reason === 'congestion') {
      await this.giveBack(claim, clock.reason);
      return null;
    }
    const error = asAppError(cause, clock, handler.unexpected);
    const stageError = { code: error.code, message: error.message };
    const verdict = await this.stages.fail(claim, stageError, error);
    if (!verdict) {
      this.fenced(claim);
      return null;
    }
    this.metrics.failures.labels(stage, error.code).inc();
    const row = await this.stages.latest(this.stages.afterFailure(claim, stageError, verdict));
    await this.targets.of(row).project(row);
    this.notes.projected(claim.id, claim.mark);
    this.observe(claim, verdict.outcome === 'retry' ? 'retried' : 'failed');
    const line = { ...ids(claim.row), stage, attempt: claim.attempt, code: error.code, err: cause };
    if (verdict.outcome === 'retry') {
      this.log.pino.warn({ ...line, due_at: verdict.dueAt }, 'Stage failed, will be tried again');
      if (!place.left) return new RetryAt(verdict.dueAt, error.message);
      await this.dispatchAgain(row, stage);
      return null;
    }
    const { err: _, ...told } = line;
    if (OF_THE_ANSWER.has(error.code)) this.log.pino.warn({ ...told, reason: error.message }, 'Stage failed for good');
    else this.log.pino.error(line, 'Stage failed for good');
    await job.discard();
    return error;
  }

  private async giveBack(claim: Claim, why: string): Promise<void> {
    const { stage } = claim;
    const row = await this.stages.giveBack(claim);
    if (!row) return;
    this.observe(claim, 'returned');
    // It has waited longest.
    await this.dispatchAgain(row, stage, { first: true });
    this.log.pino.info({ ...ids(row), stage }, `Stage given back: ${why}`);
    const latest = await this.stages.latest(row);
    await this.targets.of(latest).project(latest);
    this.notes.projected(claim.id, claim.mark);
  }

  /** Under another number: Bull has the old job as done, or will. */
  private async dispatchAgain(row: Upload, stage: StageName, place: { first?: boolean } = {}): Promise<void> {
    let dispatch = await this.stages.redispatch(row, stage);
    // The sweep may have taken the job for lost, and numbered another, between our read and our claim.
    const now = dispatch === null ? await this.stages.reread(row) : null;
    if (now) dispatch = await this.stages.redispatch(now, stage);
    if (dispatch !== null) this.dispatcher.dispatch(row, stage, dispatch, place);
  }

  private fenced(claim: Claim): void {
    this.observe(claim, 'fenced');
    this.log.pino.info({ ...ids(claim.row), stage: claim.stage }, 'Stage is no longer ours, result dropped');
  }

  private observe(claim: Claim, outcome: string): void {
    this.metrics.jobs.labels(claim.stage, outcome).inc();
    this.metrics.jobRun.labels(claim.stage).observe(seconds(claim.claimedAt, new Date()));
  }

  /** Stops taking jobs, lets what runs finish, and gives back what does not in time. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.handlers.keys()].map((stage) => pauseQueue(this.dispatcher.queue(stage))));
    const all = Promise.all(this.running.keys());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      // Giving back takes a moment of its own, before whoever stops us loses patience.
      timer = setTimeout(resolve, Math.max(0, this.config.SHUTDOWN_TIMEOUT_S - 3) * 1000);
    });
    await Promise.race([all, late]);
    clearTimeout(timer);
    for (const clock of this.running.values()) clock.abort('shutdown');
    await all;
  }
}

const seconds = (from: Date | undefined, to: Date): number =>
  Math.max(0, (to.getTime() - (from?.getTime() ?? to.getTime())) / 1000);

const ids = (row: Upload) => ({
  upload_id: row._id.toHexString(),
  session_id: row.session_id,
  question_id: row.question_id,
});
