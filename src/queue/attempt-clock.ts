import { AppError, TransientError } from '../common/app-error.js';

/** Why an attempt's work was ended from outside. */
export type AbortReason = 'timeout' | 'lost' | 'shutdown' | 'congestion';

/** The time limit of one attempt; its signal ends the work itself. */
export class AttemptClock {
  reason: AbortReason | null = null;
  private readonly controller = new AbortController();
  private startedAt = Date.now();
  private timer: NodeJS.Timeout;

  /** @param limitS seconds the attempt may take, unless it is allowed more */
  constructor(public limitS: number) {
    this.timer = this.arm();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Lets the attempt run at least so many seconds from its start. */
  allow(seconds: number): void {
    if (seconds <= this.limitS || this.reason) return;
    this.limitS = seconds;
    clearTimeout(this.timer);
    this.timer = this.arm();
  }

  /** Begins anew: waiting for a turn is none of the attempt's time. Until then, `stop` holds it. */
  restart(): void {
    if (this.reason) return;
    this.stop();
    this.startedAt = Date.now();
    this.timer = this.arm();
  }

  abort(reason: AbortReason): void {
    if (this.reason) return;
    this.reason = reason;
    this.stop();
    // Taking too long is a failure of whoever did the work; the others are none.
    this.controller.abort(
      reason === 'timeout' ? tookTooLong(this.limitS) : new Error(`The attempt was ended: ${reason}`),
    );
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private arm(): NodeJS.Timeout {
    // setTimeout takes at most 2^31 ms.
    const left = Math.min(2 ** 31 - 1, this.limitS * 1000 - (Date.now() - this.startedAt));
    return setTimeout(() => this.abort('timeout'), left);
  }
}

function tookTooLong(limitS: number): TransientError {
  return new TransientError('timeout', `It took longer than the ${Math.round(limitS)} seconds that it may take`);
}

/**
 * What an attempt failed with, in our own words.
 *
 * @param unexpected what is said of an error that nobody has foreseen
 */
export function asAppError(cause: unknown, clock: AttemptClock, unexpected: string): AppError {
  const reason: unknown = clock.signal.reason;
  if (clock.reason === 'timeout' && reason instanceof AppError) return reason;
  if (cause instanceof AppError) return cause;
  return new AppError('upstream', 'unexpected', unexpected, { retryable: true, cause });
}
