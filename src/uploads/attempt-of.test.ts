import { backoffMs } from './attempt-of.js';

describe('the time before another attempt', () => {
  it.each([
    [1, 2000],
    [2, 4000],
    [3, 8000],
    [6, 64_000],
  ])('is doubled each time, and up to a fifth longer: attempt %d', (attempt, leastMs) => {
    const waits = Array.from({ length: 500 }, () => backoffMs(2, attempt));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(leastMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(leastMs * 1.2);
  });

  it('differs from one to the next, so that a crowd does not come back at once', () => {
    const waits = Array.from({ length: 500 }, () => backoffMs(2, 1));
    expect(new Set(waits.map((ms) => Math.floor(ms / 40))).size).toBeGreaterThan(8);
  });
});
