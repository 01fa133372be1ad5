import type { Claim } from '../uploads/stage-ledger.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import type { StageJob } from './queues.js';

/** Reads that are begun before the work asks for them. */
export interface Ahead {
  /** The row is known. */
  begin(row: Upload): void;
  /** They are not wanted, or not any more. */
  close(): void;
}

export interface StageContext<A extends Ahead = Ahead> {
  /** As it was read when the stage was due. What a claim changes of it, no handler's work depends on. */
  readonly row: Upload;
  /**
   * The stage as it was taken; fails when it was not. The work begins while that is still being asked, and its result is dropped
   * if it was not: only what others can see of the work, or what cannot be repeated, has to wait for this.
   */
  readonly claimed: () => Promise<Claim>;
  /** What the handler's `ahead` returned for the job. */
  readonly ahead: A;
  /** Ends the work itself: time is up, the lease is lost, or the process stops. */
  readonly signal: AbortSignal;
  /** Lets the attempt run at least so many seconds from its start. */
  readonly allow: (seconds: number) => void;
  /** Runs the engine once one of the stage's places is free. */
  readonly engine: <T>(work: () => Promise<T>) => Promise<T>;
}

const NOTHING_AHEAD: Ahead = { begin: () => undefined, close: () => undefined };

/** The work of one stage. Gets a row that is due, returns the fields that its result sets on the row; never writes them itself. */
export abstract class StageHandler<A extends Ahead = Ahead> {
  abstract readonly stage: StageName;
  /** Places at the engine in this process; results that are being written come on top, as many at most, and see `EnginePlaces`. */
  abstract readonly concurrency: number;
  /** Longest an attempt may run, unless it is allowed more. */
  abstract readonly timeoutS: number;
  /** Stages that are due when this one is done. */
  abstract next(row: Upload): readonly StageName[];
  /** A stage whose work goes first while much of it is under way. For a few seconds at most, so that nothing starves. */
  readonly yieldsTo: StageName | null = null;
  /** Whether those who wait are shown that it is being worked on. */
  abstract readonly showsProgress: boolean;
  /** Begins to read what the work will want, while its row is still being read. */
  ahead(_job: StageJob): A {
    return NOTHING_AHEAD as A;
  }
  abstract run(context: StageContext<A>): Promise<Partial<Upload>>;
  /** After the result is written and shown: steps that may be repeated, such as deleting what is not needed any more. */
  abstract finished(row: Upload): Promise<void>;
  /** What an error means for the person who waits: only our own sentences are shown. */
  abstract readonly unexpected: string;
}
