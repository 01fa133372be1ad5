/** Lets at most `width` pieces of work run at once; the others wait their turn, in order. */
export class Gate {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    const place = this.enter();
    if (place) await place;
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  /** Takes a place, to be given back by `leave`: null when there is one, else a promise of the next. */
  enter(): Promise<void> | null {
    if (this.free === 0) return new Promise<void>((resolve) => this.waiting.push(resolve));
    this.free -= 1;
    return null;
  }

  leave(): void {
    // A place is handed on, never free for a moment in between: whoever comes then would jump the queue.
    const next = this.waiting.shift();
    if (next) next();
    else this.free += 1;
  }
}
