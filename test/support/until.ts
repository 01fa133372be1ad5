import { setTimeout as delay } from 'node:timers/promises';
import { PATIENCE_MS } from './patience.js';

const LOOK_AGAIN_MS = 25;

/**
 * Waits for a state.
 *
 * @param look what is there now; what it throws counts as "not yet"
 * @param holds whether that is the state that is waited for; any truthy value by default
 * @throws Error that says what was not reached and what was there instead
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  holds: (value: T) => boolean = Boolean,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const value = await look();
      if (holds(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs / 1000} s: ${what}. Instead: ${shown(last)}`);
    await delay(LOOK_AGAIN_MS);
  }
}

function shown(value: unknown): string {
  if (value instanceof Error) return String(value);
  return (JSON.stringify(value) ?? 'nothing').slice(0, 2000);
}
