import { raceAbort } from '../common/race-abort.js';
import type { Claim } from '../uploads/stage-ledger.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { AttemptClock } from './attempt-clock.js';
import type { StageJob } from './queues.js';
import type { Ahead, StageContext, StageHandler } from './stage-handler.js';

/** Asks for a stage; `seen` hears of its row as soon as that is read. Null when the stage is not to be had. */
export type AskForClaim = (seen: (row: Upload) => void) => Promise<Claim | null>;
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * The work of one attempt. It begins as soon as the row is read, beside the write that claims it: an answer waits for one or the
 * other, not for both. Whoever asks for the result has to know by then that the stage is theirs.
 */
export class AttemptWork {
  readonly claiming: Promise<Claim | null>;
  private readonly ahead: Ahead;
  private begun: Promise<Partial<Upload>> | null = null;

  constructor(
    private readonly handler: StageHandler,
    private readonly clock: AttemptClock,
    private readonly engine: InTurn,
    job: StageJob,
    ask: AskForClaim,
  ) {
    this.ahead = handler.ahead(job);
    this.claiming = ask((row) => this.begin(row));
  }

  /** @throws when the stage was not to be had, or that is not known */
  readonly claimed = async (): Promise<Claim> => {
    const claim = await this.claiming;
    if (!claim) throw new Error('The stage is not ours');
    return claim;
  };

  /** Never throws: others are claimed with it. */
  private begin(row: Upload): void {
    this.begun = this.run(row);
    this.begun.catch(() => undefined);
  }

  private async run(row: Upload): Promise<Partial<Upload>> {
    this.ahead.begin(row);
    const { clock, claimed, ahead, engine } = this;
    const { signal } = clock;
    const allow = (seconds: number) => clock.allow(seconds);
    const context: StageContext = { row, claimed, ahead, signal, allow, engine };
    // An engine that does not answer its abort must not keep the stage.
    return raceAbort(this.handler.run(context), signal);
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
