/** Work that is over sooner is not shown as under way: two writes that nobody could see. */
const SHOWN_AFTER_MS = 250;

/** Shows that something is under way, unless it is over before. That it could not be shown is no fault of the work. */
export class ShownLater {
  private shown: Promise<void> = Promise.resolve();
  private readonly timer: NodeJS.Timeout;

  constructor(show: () => Promise<void>) {
    this.timer = setTimeout(() => {
      this.shown = Promise.resolve()
        .then(show)
        .catch(() => undefined);
    }, SHOWN_AFTER_MS);
  }

  /** Nothing is shown after this resolves: what comes next must not be overtaken by it. */
  end(): Promise<void> {
    clearTimeout(this.timer);
    return this.shown;
  }
}
