import { letterRows } from './dead-letter.js';

/** Each way to have a dead letter. */
const ways = (...args: Parameters<typeof letterRows>) => letterRows(...args)!.$or as Record<string, unknown>[];
const failedAt = (way: Record<string, unknown>) =>
  Object.entries(way).find(([field]) => field.endsWith('.finished_at'))?.[1];

describe('the rows that have a dead letter', () => {
  it('are asked for by when they failed, also where any time will do: else their index is not used', () => {
    for (const state of [undefined, 'open', 'expired'] as const)
      for (const way of ways({}, state)) expect(failedAt(way)).toEqual({ $gt: new Date(0) });
    expect(ways({}).length).toBe(3);
  });

  it('are those of a span of time where one is meant', () => {
    const [since, until] = [new Date(1000), new Date(2000)];
    for (const way of ways({ since }, 'open', until)) expect(failedAt(way)).toEqual({ $gte: since, $lte: until });
    for (const way of ways({}, 'open', until)) expect(failedAt(way)).toEqual({ $lte: until });
  });
});
