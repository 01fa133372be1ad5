import { mongo } from 'mongoose';
import { raceAbort } from '../common/race-abort.js';
import type { Claim, StageLedger } from '../uploads/stage-ledger.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { AttemptClock } from './attempt-clock.js';
import type { EnginePlaces } from './engine-places.js';
import type { StageJob } from './queues.js';
import type { Ahead, StageHandler } from './stage-handler.js';

/** How long a claimed stage waits for its turn at the engine, behind longer work than was to be expected; then others may do it. */
const LONGEST_TURN_MS = 5000;
/** After a longer wait the row is looked at before the engine is asked: it may have been erased, or replaced, meanwhile. */
const LOOK_AGAIN_MS = 100;

/**
 * The work of one attempt. It begins as soon as the row is read, beside the write that claims it: an answer waits for the longer of
 * the two, not for both. Whoever asks for the result has to know by then that the stage is theirs.
 */
export class AttemptWork {
  /** Null when the stage is not to be had. */
  readonly claiming: Promise<Claim | null>;
  private readonly ahead: Ahead;
  private begun: Promise<Partial<Upload>> | null = null;

  /** @param worker the name under which the stage is claimed */
  constructor(
    private readonly handler: StageHandler,
    private readonly clock: AttemptClock,
    private readonly places: EnginePlaces,
    private readonly stages: StageLedger,
    worker: string,
    job: StageJob,
  ) {
    this.ahead = handler.ahead(job);
    const id = new mongo.ObjectId(job.upload_id);
    this.claiming = stages.claim(id, handler.stage, worker, (row) => this.begin(row));
  }

  /** Never throws: others are claimed with it. */
  private begin(row: Upload): void {
    this.begun = this.run(row);
    this.begun.catch(() => undefined);
  }

  private async run(row: Upload): Promise<Partial<Upload>> {
    this.ahead.begin(row);
    const { ahead, clock } = this;
    const { signal } = clock;
    const work = this.handler.run({
      row,
      claimed: () => this.claimed(),
      ahead,
      signal,
      allow: (seconds) => clock.allow(seconds),
      engine: (work) => this.inTurn(work),
    });
    // An engine that does not answer its abort must not keep the stage.
    return raceAbort(work, signal);
  }

  private async claimed(): Promise<Claim> {
    const claim = await this.claiming;
    if (!claim) throw new Error('The stage is not ours');
    return claim;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { clock, places } = this;
    clock.stop();
    const asked = performance.now();
    const late = setTimeout(() => clock.abort('congestion'), LONGEST_TURN_MS).unref();
    const beforehand = async () => {
      clearTimeout(late);
      clock.signal.throwIfAborted();
      if (performance.now() - asked > LOOK_AGAIN_MS && !(await this.isHeld())) clock.abort('lost');
      clock.signal.throwIfAborted();
      clock.restart();
    };
    return places.run(() => raceAbort(work(), clock.signal), beforehand);
  }

  /** With MongoDB away, the writes themselves will tell; an attempt whose claim fails is ended by that. */
  private isHeld(): Promise<boolean> {
    return this.claimed()
      .then((claim) => this.stages.renew(claim))
      .catch(() => true);
  }

  /** @throws what the handler throws, or why the clock ended it */
  result({ row }: Claim): Promise<Partial<Upload>> {
    return this.begun ?? this.run(row);
  }

  /** It is over, or was not ours. */
  close(): void {
    this.ahead.close();
  }
}
