import type { Queue } from 'bull';

const PATIENCE_MS = 1500;

/** Has a queue give out no more jobs in this process, without waiting for those that run. Returns soon even while Redis is away. */
export function pauseQueue(queue: Queue): Promise<void> {
  return patiently(queue.pause(true, true));
}

/**
 * Closes a queue whose jobs have been seen to. Bull's own `close` waits for them once more, and for Redis: while that is away it
 * never returns, or ends the process by a rejection that nobody handles.
 */
export async function closeQueue(queue: Queue): Promise<void> {
  await patiently(queue.close(true));
  const { clients } = queue as unknown as { clients: Queue['client'][] };
  for (const client of clients) client.disconnect();
}

async function patiently(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
