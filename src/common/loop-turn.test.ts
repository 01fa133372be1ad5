import { nextTurn } from './loop-turn.js';

/** Keeps the event loop busy. */
function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('work that comes in many pieces', () => {
  it('goes on at once while a turn of the event loop is young', () => {
    expect(nextTurn()).toBeNull();
    expect(nextTurn()).toBeNull();
  });

  it('lets timers run in between once a turn is long', async () => {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    // Each piece follows the one before in the same turn unless it is told to wait: 400 ms in one go.
    for (let piece = 0; piece < 200; piece++) {
      const turn = nextTurn();
      if (turn) await turn;
      work(2);
    }
    clearInterval(timer);
    expect(longest).toBeGreaterThan(0);
    expect(longest).toBeLessThan(200);
  });
});
