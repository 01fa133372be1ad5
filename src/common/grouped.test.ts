import { jest } from '@jest/globals';
import { grouped } from './grouped.js';

describe('grouped', () => {
  afterEach(() => void jest.useRealTimers());

  it('sends at once what comes alone, and together what comes while that is under way', async () => {
    const groups: string[][] = [];
    let answer: () => void = () => undefined;
    const ask = grouped(async (items: readonly string[]) => {
      groups.push([...items]);
      await new Promise<void>((resolve) => (answer = resolve));
      return items.map((item) => item.toUpperCase());
    });
    const first = ask('a');
    await new Promise(setImmediate);
    const others = [ask('b'), ask('c')];
    await new Promise(setImmediate);
    expect(groups).toEqual([['a']]);
    answer();
    expect(await first).toBe('A');
    await new Promise(setImmediate);
    expect(groups).toEqual([['a'], ['b', 'c']]);
    answer();
    expect(await Promise.all(others)).toEqual(['B', 'C']);
  });

  it('takes along what the same turn asks for later, and needs no timer for what waits for nobody', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
    const groups: string[][] = [];
    const ask = grouped((items: readonly string[]) => {
      groups.push([...items]);
      return Promise.resolve(items);
    });
    const first = ask('a');
    for (let step = 0; step < 20; step++) await Promise.resolve();
    const later = ask('b');
    expect(jest.getTimerCount()).toBe(0);
    await Promise.all([first, later]);
    expect(groups).toEqual([['a', 'b']]);
  });

  it('waits two seconds for a group that is left without an answer, and no longer', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
    const groups: string[][] = [];
    const ask = grouped(async (items: readonly string[]) => {
      groups.push([...items]);
      if (items.includes('hangs')) await new Promise(() => undefined);
      return items;
    });
    void ask('hangs');
    await new Promise(setImmediate);
    const later = ask('later');
    await jest.advanceTimersByTimeAsync(1999);
    expect(groups).toEqual([['hangs']]);
    await jest.advanceTimersByTimeAsync(1);
    expect(await later).toBe('later');
  });
});
