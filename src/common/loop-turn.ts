/** Milliseconds of one turn of the event loop after which work that can wait is left to the next. */
const LONG_MS = 8;

let began: number | null = null;
const waiting: (() => void)[] = [];

/**
 * For work that comes in many pieces at once, such as the bodies of a hundred uploads or the answer to a command that served them
 * all: while a turn of the event loop is young it goes on, after that it waits for the next, so that timers, health checks and short
 * requests are not behind all of it. Who waited goes on first, one after the other.
 *
 * @returns null to go on, else what to wait for
 */
export function nextTurn(): Promise<void> | null {
  if (began === null) begin();
  else if (waiting.length > 0 || isLong()) return new Promise((resolve) => void waiting.push(resolve));
  return null;
}

function begin(): void {
  began = performance.now();
  setImmediate(() => {
    began = null;
    if (waiting.length === 0) return;
    begin();
    letOneGo();
  });
}

function isLong(): boolean {
  return performance.now() - (began ?? 0) > LONG_MS;
}

/** The next one follows when this one has done what it does without waiting: a tick comes after all microtasks. */
function letOneGo(): void {
  if (isLong()) return;
  waiting.shift()?.();
  if (waiting.length > 0) queueMicrotask(() => process.nextTick(letOneGo));
}
