import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { EnginePlaces } from './engine-places.js';

const quick = () => Promise.resolve('done');

describe('the places at an engine', () => {
  /** Milliseconds. */
  let now = 0;
  beforeEach(() => void jest.spyOn(performance, 'now').mockImplementation(() => now));
  afterEach(() => void jest.restoreAllMocks());

  it('let so many run at once, in the order they came', async () => {
    const places = new EnginePlaces(2);
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const runs = [0, 1, 2, 3].map((number) =>
      places.run(() => {
        begun.push(number);
        return new Promise<number>((resolve) => ends.push(() => resolve(number)));
      }),
    );
    await turn();
    expect(begun).toEqual([0, 1]);
    ends[1]!();
    expect(await runs[1]).toBe(1);
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    ends[0]!();
    ends[2]!();
    await Promise.all([runs[0], runs[2]]);
    await turn();
    ends[3]!();
    expect(await runs[3]).toBe(3);
  });

  it('have many jobs taken ahead where the engine is quick, and none before that is known', async () => {
    const places = new EnginePlaces(2);
    expect(places.ahead).toBe(0);
    await places.run(quick);
    expect(places.ahead).toBe(14);
  });

  it('have none taken ahead of a slow engine, nor while a run takes long', async () => {
    const slow = new EnginePlaces(2);
    await slow.run(() => Promise.resolve((now += 250)));
    expect(slow.ahead).toBe(0);

    const hanging = new EnginePlaces(2);
    await hanging.run(quick);
    let end = (): void => undefined;
    const run = hanging.run(() => new Promise<void>((resolve) => (end = resolve)));
    expect(hanging.ahead).toBeGreaterThan(0);
    now += 250;
    expect(hanging.ahead).toBe(0);
    end();
    await run;
  });

  it('have none taken ahead after a failure, until a run goes well again', async () => {
    const places = new EnginePlaces(1);
    await places.run(quick);
    await expect(places.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(places.ahead).toBe(0);
    await places.run(quick);
    expect(places.ahead).toBeGreaterThan(0);
    places.takeNoneAhead();
    expect(places.ahead).toBe(0);
  });
});
