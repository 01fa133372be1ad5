import { Gate } from '../common/gate.js';

/** As much of the engine's work is taken ahead of its places: nobody waits longer here for what another worker could do. */
const AHEAD_S = 0.1;
/** The most jobs taken ahead, as a multiple of the places. */
const MOST_AHEAD = 7;
/** Weight of the newest run in the average. */
const NEWEST = 0.2;

/**
 * The places at an engine: so many run at once, others wait their turn. Where the engine is quicker than what is read and written
 * around it, its places would stand empty meanwhile; so jobs are taken ahead of them, and their rows are read and written together.
 */
export class EnginePlaces {
  private readonly gate: Gate;
  /** When each run began, oldest first. */
  private readonly began = new Set<{ readonly at: number }>();
  private averageS: number | null = null;

  constructor(private readonly count: number) {
    this.gate = new Gate(count);
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.gate.run(async () => {
      const run = { at: performance.now() };
      this.began.add(run);
      try {
        const result = await work();
        this.note((performance.now() - run.at) / 1000);
        return result;
      } catch (error) {
        // An engine that refuses at once is not quick.
        this.takeNoneAhead();
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

  private note(seconds: number): void {
    this.averageS = this.averageS === null ? seconds : this.averageS + NEWEST * (seconds - this.averageS);
  }
}
