import { toFloat32, type FromEngine, type Result, type ToEngine } from './local-engine.messages.js';
import { findLocalModels } from './local-models.js';
import { Moonshine } from './moonshine.js';
import { SpeechDetector } from './vad.js';

/*
 * Program of the local engine's process: `<threads>` is its one argument. It keeps nothing between two messages but the
 * models, so that it may be killed at any time and its work given to the next one. It ends with the process that started it.
 */

const cancelled = new Set<number>();
const say = (message: FromEngine) => process.send?.(message);

async function start(threads: number): Promise<void> {
  const options = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Threads that spin while they wait double the CPU time, and the run time where other work wants the same cores.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  } as const;
  const models = findLocalModels();
  const detector = await SpeechDetector.load(models.vad, { ...options, intraOpNumThreads: 1 });
  const moonshine = await Moonshine.load(models, options);

  const work = (message: Exclude<ToEngine, { kind: 'cancel' }>): Promise<Result> =>
    message.kind === 'detect'
      ? detector.detect(toFloat32(message.samples), message.memory)
      : moonshine.transcribe(toFloat32(message.samples), () => cancelled.has(message.id));

  process.on('message', (message: ToEngine) => {
    if (message.kind === 'cancel') return void cancelled.add(message.id);
    const { id } = message;
    work(message)
      .then((result) => say({ kind: 'done', id, result, rss: process.memoryUsage.rss() }))
      .catch((error: unknown) => say({ kind: 'failed', id, message: (error as Error).message }))
      .finally(() => cancelled.delete(id));
  });
  say({ kind: 'ready' });
}

process.on('disconnect', () => process.exit());
start(Number(process.argv[2])).catch((error: unknown) => {
  console.error((error as Error).message);
  process.exit(1);
});
