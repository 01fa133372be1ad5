import { TransientError } from '../common/app-error.js';
import { EngineChild, type Program } from './engine.child.js';
import type { FromEngine } from './engine.messages.js';

export interface EngineOptions {
  program: Program;
  /** What errors call it, after "The". */
  name: string;
  /** Resident MiB above which the process is killed. */
  memoryLimitMb: number;
  /** The setting that limit comes from. */
  memorySetting: string;
  /** Overrides for tests; milliseconds. */
  times?: Partial<EngineTimes>;
}

export interface EngineTimes {
  /** From the start of the process to loaded models. */
  start: number;
  /** For one piece of work, on a machine that is busy with others too. */
  work: number;
  /** For an aborted piece of work to stop by itself. */
  stop: number;
}

const TIMES: EngineTimes = { start: 120_000, work: 120_000, stop: 1_000 };
const WATCH_MS = 250;
/** How often the same piece of work may end the process before its job fails. */
const LIVES = 2;

interface Task<Work, Result> {
  id: number;
  work: Work;
  /** Processes that ended while they had it in hand. */
  ends: number;
  /** Set once nobody waits for it any more. */
  withdrawn: boolean;
  /** Asks the process that has it in hand to stop. */
  stop?: () => void;
  resolve(result: Result): void;
  reject(error: Error): void;
}

/**
 * Runs models in one process of their own, shared by all jobs of this worker: `session.run` of ONNX Runtime blocks its thread. One piece
 * of work is in hand at a time, so that whatever ends the process is known; jobs take turns by the piece, for each has one waiting at
 * most. The process is started on demand, killed above its memory limit, when it hangs, or when an aborted job's work does not stop, and
 * started again: the work in hand is then done once more, work that waits is not touched.
 */
export class Engine<Work extends object, Result> {
  private child: EngineChild<Work, Result> | null = null;
  private waiting: Task<Work, Result>[] = [];
  private current: Task<Work, Result> | null = null;
  private closed = false;
  private lastId = 0;
  private readonly times: EngineTimes;

  constructor(private readonly options: EngineOptions) {
    this.times = { ...TIMES, ...options.times };
  }

  /** Process id of the engine while it runs. */
  get pid(): number | undefined {
    return this.child?.ended === false ? this.child.pid : undefined;
  }

  /**
   * Resolves when the models are loaded, at once if they are.
   *
   * @throws TransientError `engine_not_started`
   */
  async start(): Promise<void> {
    const last = this.child;
    if (last?.killedFor) await last.gone;
    if (this.closed) throw new TransientError('engine_closed', `The ${this.options.name} was shut down.`);
    if (!this.child || (this.child === last && last.ended)) this.child = this.spawn();
    const child = this.child;
    const timer = setTimeout(() => child.kill('hang'), this.times.start);
    try {
      await child.ready;
    } catch (cause) {
      const message = `The ${this.options.name} could not be started.`;
      throw new TransientError('engine_not_started', message, { cause, retryAfter: 30, uncounted: true });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process; work in hand and work that waits fails with `engine_closed`. */
  async close(): Promise<void> {
    this.closed = true;
    const error = new TransientError('engine_closed', `The ${this.options.name} was shut down.`);
    for (const task of this.waiting.splice(0)) task.reject(error);
    this.current?.reject(error);
    this.child?.kill('close');
    await this.child?.gone;
  }

  /**
   * @throws the signal's reason, or TransientError `engine_crashed`, `engine_memory`, `engine_hung`, `engine_failed` (by this piece,
   *   more than once), `engine_not_started`, `engine_closed`
   */
  protected run(work: Work, signal: AbortSignal): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const leave = () => signal.removeEventListener('abort', onAbort);
      const task: Task<Work, Result> = {
        id: ++this.lastId,
        work,
        ends: 0,
        withdrawn: false,
        resolve: (result) => (leave(), resolve(result)),
        reject: (error) => (leave(), reject(error)),
      };
      const onAbort = () => {
        task.withdrawn = true;
        this.waiting = this.waiting.filter((other) => other !== task);
        task.stop?.();
        task.reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(task);
      void this.next();
    });
  }

  private async next(): Promise<void> {
    if (this.current) return;
    const task = (this.current = this.waiting.shift() ?? null);
    if (!task) return;
    try {
      await this.start();
      const child = this.child!;
      if (!task.withdrawn) await this.supervise(task, child);
    } catch (error) {
      task.reject(error as Error);
    }
    this.current = null;
    void this.next();
  }

  /** Resolves when the process is free again or gone. */
  private supervise(task: Task<Work, Result>, child: EngineChild<Work, Result>): Promise<void> {
    return new Promise((resolve) => {
      const limit = this.options.memoryLimitMb * 2 ** 20;
      const hung = setTimeout(() => child.kill('hang'), this.times.work);
      const watch = setInterval(() => child.rss() > limit && child.kill('memory'), WATCH_MS);
      let stopping: NodeJS.Timeout | undefined;
      let answered = false;
      const end = () => {
        answered = true;
        task.stop = undefined;
        clearTimeout(hung);
        clearTimeout(stopping);
        clearInterval(watch);
        resolve();
      };
      task.stop = () => {
        child.send({ id: task.id, kind: 'cancel' });
        stopping = setTimeout(() => child.kill('abort'), this.times.stop);
      };
      this.onAnswer = (message) => {
        if (message.kind === 'ready' || message.id !== task.id) return;
        if (message.kind === 'done') task.resolve(message.result);
        else
          task.reject(
            new TransientError('engine_failed', `The ${this.options.name} failed.`, {
              cause: new Error(message.message),
            }),
          );
        // What it took for this piece it may not give back.
        if (child.rss() > limit) child.kill('memory');
        end();
      };
      this.onGone = (gone) => {
        if (gone !== child || answered) return;
        task.ends++;
        if (!task.withdrawn && !this.closed && task.ends < LIVES) this.waiting.push(task);
        else task.reject(this.fault(child));
        end();
      };
      child.send({ id: task.id, ...task.work });
      // It may have ended in the same turn of the loop in which it said that it was ready.
      if (child.ended) this.onGone(child);
    });
  }

  // Of the work in hand alone: what each piece attached to its process would be held, samples and all, while that lives.
  private onAnswer: (message: FromEngine<Result>) => void = () => undefined;
  private onGone: (child: EngineChild<Work, Result>) => void = () => undefined;

  private spawn(): EngineChild<Work, Result> {
    const child: EngineChild<Work, Result> = new EngineChild(this.options.program, (message) => {
      if (child === this.child) this.onAnswer(message);
    });
    void child.gone.then(() => this.onGone(child));
    return child;
  }

  private fault(child: EngineChild<Work, Result>): TransientError {
    const cause = new Error(child.lastWords());
    if (child.killedFor === 'memory') {
      const message = `The ${this.options.name} took more than ${this.options.memorySetting} (${this.options.memoryLimitMb} MiB).`;
      return new TransientError('engine_memory', message, { cause });
    }
    if (child.killedFor === 'hang')
      return new TransientError('engine_hung', `The ${this.options.name} did not answer in time.`, { cause });
    return new TransientError('engine_crashed', `The ${this.options.name} crashed on this.`, { cause });
  }
}
