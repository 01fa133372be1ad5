import type { Claim } from '../uploads/stage-ledger.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';

/** Reads that were begun before the stage was ours. */
export interface Ahead {
  /** They are not wanted, or not any more. */
  close(): void;
}

export interface StageContext<A extends Ahead = Ahead> {
  readonly claim: Claim;
  /** What the handler's `begin` returned for the row. */
  readonly ahead: A | null;
  /** Ends the work itself: time is up, the lease is lost, or the process stops. */
  readonly signal: AbortSignal;
  /** Lets the attempt run at least so many seconds from its start. */
  readonly allow: (seconds: number) => void;
  /** Runs the engine once one of the stage's places is free. */
  readonly engine: <T>(work: () => Promise<T>) => Promise<T>;
}

/** The work of one stage. Gets a claimed row, returns the fields that its result sets on the row; never writes them itself. */
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
  /** Begins to read what the work will want of a row that is being claimed; null where there is nothing to read. */
  begin(_row: Upload): A | null {
    return null;
  }
  abstract run(context: StageContext<A>): Promise<Partial<Upload>>;
  /** After the result is written and shown: steps that may be repeated, such as deleting what is not needed any more. */
  abstract finished(row: Upload): Promise<void>;
  /** What an error means for the person who waits: only our own sentences are shown. */
  abstract readonly unexpected: string;
}
