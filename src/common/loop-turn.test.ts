import { setImmediate as nextLoop } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { nextTurn } from './loop-turn.js';

/** Keeps the event loop busy. */
function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('work that comes in many pieces', () => {
  beforeEach(() => nextLoop());

  it('goes on at once while a turn of the event loop is young', () => {
    // However long this machine takes for the lines between.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now());
    expect(nextTurn()).toBeNull();
    expect(nextTurn()).toBeNull();
    clock.mockRestore();
  });

  /** @returns how many times the event loop went round */
  async function loopsDuring(run: () => Promise<void>): Promise<number> {
    let [loops, over] = [0, false];
    const count = () => {
      loops += 1;
      if (!over) setImmediate(count);
    };
    setImmediate(count);
    await run();
    over = true;
    return loops;
  }

  it('leaves a turn that is long, piece after piece', async () => {
    const loops = await loopsDuring(async () => {
      // Each follows the one before in the same turn unless it is told to wait.
      for (let piece = 0; piece < 50; piece++) {
        const turn = nextTurn();
        if (turn) await turn;
        work(2);
      }
    });
    expect(loops).toBeGreaterThan(8);
  });

  it('leaves it when all pieces come at once, and goes on in their order', async () => {
    const order: number[] = [];
    const piece = async (number: number) => {
      const turn = nextTurn();
      if (turn) await turn;
      work(2);
      order.push(number);
    };
    const pieces = Array.from({ length: 50 }, (_, number) => number);
    const loops = await loopsDuring(async () => void (await Promise.all(pieces.map(piece))));
    expect(loops).toBeGreaterThan(8);
    expect(order).toEqual(pieces);
  });
});
