import DataLoader from 'dataloader';
import { nextTurn } from './loop-turn.js';

const MOST = 100;
/** How long a group waits for the one before it: a command that is left without an answer keeps those who made it, and nobody else. */
const PATIENCE_MS = 2000;

/**
 * Makes one command of what many ask for: what comes while a group is under way waits for it and goes as the next group,
 * what comes alone goes at once. Under load a round trip serves many; without load nobody waits. What many do with their answers
 * is spread over several turns of the event loop.
 *
 * @param run takes the group, returns a result or an Error for each of its items, in their order
 * @param most items in a group
 */
export function grouped<I, O>(
  run: (items: readonly I[]) => Promise<ArrayLike<O | Error>>,
  most = MOST,
): (item: I) => Promise<O> {
  let underWay: Promise<unknown> | null = null;
  const loader = new DataLoader<I, O>(
    (items) => {
      const work = run(items);
      const over = work
        .catch(() => undefined)
        .then(() => {
          if (underWay === over) underWay = null;
        });
      underWay = over;
      return work;
    },
    {
      cache: false,
      maxBatchSize: most,
      batchScheduleFn: (start) => {
        if (underWay) void atMost(PATIENCE_MS, underWay).then(start);
        // After the microtasks: what they ask for comes along.
        else process.nextTick(start);
      },
    },
  );
  return async (item) => {
    const answer = await loader.load(item);
    const turn = nextTurn();
    if (turn) await turn;
    return answer;
  };
}

function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
