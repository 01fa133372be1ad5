/** Milliseconds of one turn of the event loop after which work that can wait is left to the next. */
const LONG_MS = 8;

let began: number | null = null;

/**
 * For work that comes in many pieces at once, such as the bodies of a hundred uploads: while a turn of the event loop is young it
 * goes on, after that it waits for the next, so that timers, health checks and short requests are not behind all of it.
 *
 * @returns null to go on, else what to wait for
 */
export function nextTurn(): Promise<void> | null {
  const now = performance.now();
  if (began === null) {
    began = now;
    setImmediate(() => {
      began = null;
    });
    return null;
  }
  return now - began > LONG_MS ? new Promise((resolve) => setImmediate(resolve)) : null;
}
