import { PermanentError } from '../common/app-error.js';
import { Gate } from '../common/gate.js';
import { smoothed } from './smoothed.js';

/** As much of the engine's work is taken ahead of its places: nobody waits longer here for what another worker could do. */
const AHEAD_S = 0.1;
/** The most jobs taken ahead, as a multiple of the places. */
const MOST_AHEAD = 7;

/** What a job holds of Bull's concurrency. Once it has left, Bull has the job as finished, and only the ledger knows how it goes on. */
export class Place {
  left = false;
  leave!: () => void;
  readonly leaving = new Promise<null>((resolve) => {
    this.leave = () => {
      // To end a job for Bull is work of this thread: what the job begins with goes first.
      setImmediate(() => {
        this.left = true;
        resolve(null);
      });
    };
  });
}

/**
 * The places at an engine: so many run at once, others wait their turn. Where the engine is quicker than what is read and written
 * around it, its places would stand empty meanwhile; so jobs are taken ahead of them, and their rows are read and written together.
 */
export class EnginePlaces {
  private readonly gate: Gate;
  /** When each run began, oldest first. */
  private readonly began = new Set<{ readonly at: number }>();
  private averageS: number | null = null;
  /** What Bull waits for, oldest first. */
  private readonly held = new Set<Place>();
  /** Jobs that are taken and not over. */
  private inHand = 0;

  constructor(private readonly count: number) {
    this.gate = new Gate(count);
  }

  /** Whether more jobs are in hand than half the places. */
  get areBusy(): boolean {
    return this.inHand > this.count / 2;
  }

  /** A job is taken: ahead of the places, where the engine is quick enough. */
  take(): Place {
    const place = new Place();
    this.held.add(place);
    this.inHand += 1;
    this.leaveAhead(place);
    return place;
  }

  /** The engine is done with a job: its place goes to the next one while as many results are being written as there are places. */
  done(place: Place): void {
    if (this.inHand < 2 * this.count) this.leave(place);
  }

  /** Bull is to hear how the job ends, if it does not have it as finished by now. */
  keep(place: Place): void {
    this.held.delete(place);
  }

  /** A job is over, well or not. */
  over(place: Place): void {
    this.keep(place);
    this.inHand -= 1;
    const [next] = this.held;
    if (next) this.leaveAhead(next);
  }

  private leaveAhead(place: Place): void {
    if (this.inHand <= this.ahead) this.leave(place);
  }

  private leave(place: Place): void {
    this.held.delete(place);
    place.leave();
  }

  /**
   * Waits its turn.
   *
   * @param beforehand is done once the turn has come, and may end it: no time and no fault of the engine
   */
  run<T>(work: () => Promise<T>, beforehand?: () => Promise<void>): Promise<T> {
    return this.gate.run(async () => {
      if (beforehand) await beforehand();
      const run = { at: performance.now() };
      this.began.add(run);
      try {
        const result = await work();
        this.averageS = smoothed(this.averageS, (performance.now() - run.at) / 1000);
        return result;
      } catch (error) {
        // An engine that refuses at once is not quick; what it says of the audio is none of that.
        if (!(error instanceof PermanentError)) this.takeNoneAhead();
        throw error;
      } finally {
        this.began.delete(run);
      }
    });
  }

  /** Resolves when a place is free. */
  free(): Promise<void> {
    return this.gate.run(() => Promise.resolve());
  }

  /** How many jobs may be in hand ahead of the places; none while the engine is slow, and until it is known how quick it is. */
  get ahead(): number {
    if (this.averageS === null) return 0;
    const [oldest] = this.began;
    const runsS = oldest ? (performance.now() - oldest.at) / 1000 : 0;
    const jobs = (this.count * AHEAD_S) / Math.max(this.averageS, runsS, Number.EPSILON);
    return Math.min(MOST_AHEAD * this.count, Math.floor(jobs));
  }

  /** Until a run has gone well again: something is wrong. */
  takeNoneAhead(): void {
    this.averageS = null;
  }
}
