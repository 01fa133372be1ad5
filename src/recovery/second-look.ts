import { setTimeout as pause } from 'node:timers/promises';

/** Suspicions held at most; beyond it the oldest is waited for. */
const MOST = 5000;

/**
 * Holds suspicions for a grace and then has each looked at again: what was only under way has gone on meanwhile.
 * Memory is bounded; the search goes on while suspicions ripen.
 */
export class SecondLook<Suspicion, Confirmed> {
  private readonly waiting: { suspicion: Suspicion; ripeAt: number }[] = [];

  /** @param look null when there is nothing wrong any more */
  constructor(
    private readonly graceMs: number,
    private readonly look: (suspicion: Suspicion) => Promise<Confirmed | null>,
  ) {}

  /** Takes a suspicion in; yields what earlier ones turned out to be. */
  async *add(suspicion: Suspicion): AsyncGenerator<Confirmed> {
    this.waiting.push({ suspicion, ripeAt: Date.now() + this.graceMs });
    while (this.waiting.length >= MOST || this.isRipe()) yield* this.oldest();
  }

  /** Waits for those that are left. */
  async *rest(): AsyncGenerator<Confirmed> {
    while (this.waiting.length > 0) yield* this.oldest();
  }

  private isRipe(): boolean {
    const [oldest] = this.waiting;
    return oldest !== undefined && oldest.ripeAt <= Date.now();
  }

  private async *oldest(): AsyncGenerator<Confirmed> {
    const oldest = this.waiting.shift();
    if (!oldest) return;
    const left = oldest.ripeAt - Date.now();
    if (left > 0) await pause(left);
    const confirmed = await this.look(oldest.suspicion);
    if (confirmed !== null) yield confirmed;
  }
}
