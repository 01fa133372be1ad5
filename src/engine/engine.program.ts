import type { FromEngine, ToEngine } from './engine.messages.js';

/** Does one piece of work; `cancelled` tells whether anybody still waits for it. */
export type Worker<Work, Result> = (work: Work, cancelled: () => boolean) => Promise<Result>;

/**
 * The program of an engine's process. It keeps nothing between two messages but what `load` gave it, so that it may be killed at any
 * time and its work given to the next one. It ends with the process that started it.
 */
export function serve<Work extends object, Result>(load: () => Promise<Worker<Work, Result>>): void {
  const cancelled = new Set<number>();
  const say = (message: FromEngine<Result>) => process.send?.(message);
  const start = async () => {
    const work = await load();
    process.on('message', (message: ToEngine<Work>) => {
      const { id } = message;
      if ('kind' in message && message.kind === 'cancel') return void cancelled.add(id);
      work(message as Work, () => cancelled.has(id))
        .then((result) => say({ kind: 'done', id, result, rss: process.memoryUsage.rss() }))
        .catch((error: unknown) => say({ kind: 'failed', id, message: (error as Error).message }))
        .finally(() => cancelled.delete(id));
    });
    say({ kind: 'ready' });
  };
  process.on('disconnect', () => process.exit());
  // Whoever stops the service, by Ctrl-C say, means it alone: what is in hand may be finished yet.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  start().catch((error: unknown) => {
    console.error((error as Error).message);
    process.exit(1);
  });
}

/** How ONNX Runtime is to run a model, beside other work on the same cores. */
export function calmly(threads: number) {
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Threads that spin while they wait double the CPU time, and the run time where other work wants the same cores.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  } as const;
}
