import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FromEngine, ToEngine } from './engine.messages.js';

const STDERR_CHARACTERS = 2_000;

/** A program for an engine's process: a module without its extension, beside the one that names it, and its arguments. */
export interface Program {
  module: URL;
  args: readonly string[];
}

/** One run of an engine's program, from its start to its end. */
export class EngineChild<Work, Result> {
  /** Resolves when the models are loaded, rejects with what the program said if it ends before that. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  /** Why it was killed by us, if it was. */
  killedFor: 'abort' | 'memory' | 'hang' | 'close' | null = null;
  ended = false;
  private readonly child: ChildProcess;
  private words = '';
  private reportedRss = 0;

  constructor(program: Program, onMessage: (message: FromEngine<Result>) => void) {
    const { path, before } = built(program.module);
    this.child = fork(path, [...before, ...program.args], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.words = (this.words + text).slice(-STDERR_CHARACTERS);
    });
    this.gone = new Promise((resolve) => {
      const onEnd = () => {
        this.ended = true;
        resolve();
      };
      this.child.once('close', onEnd);
      // Without a process there is no `close`; later errors (a message to one that is gone) come before it.
      this.child.on('error', () => this.child.pid === undefined && onEnd());
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message: FromEngine<Result>) => {
        if (message.kind === 'done') this.reportedRss = message.rss;
        if (message.kind === 'ready') resolve();
        else onMessage(message);
      });
      void this.gone.then(() => reject(new Error(this.lastWords())));
    });
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Whoever waits for the answer learns from `gone` when the message could not be delivered. */
  send(message: ToEngine<Work>): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  kill(reason: NonNullable<EngineChild<Work, Result>['killedFor']>): void {
    if (this.ended) return;
    this.killedFor ??= reason;
    this.child.kill('SIGKILL');
  }

  /** Resident bytes: of now where the system shows them (Linux), else as the process last reported. */
  rss(): number {
    if (process.platform !== 'linux') return this.reportedRss;
    try {
      const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'));
      return resident ? Number(resident[1]) * 1024 : 0;
    } catch {
      return 0; // it ended just now
    }
  }

  lastWords(): string {
    const end = this.child.signalCode ?? `code ${this.child.exitCode}`;
    return `the process ended (${end})${this.words ? `: ${this.words.trim()}` : ''}`;
  }
}

/** Unbuilt, as in tests, a program needs the tool that runs TypeScript. */
function built(module: URL): { path: string; before: string[] } {
  const path = fileURLToPath(module);
  return import.meta.url.endsWith('.ts')
    ? { path: fileURLToPath(new URL('../../scripts/run-typescript.cjs', import.meta.url)), before: [`${path}.ts`] }
    : { path: `${path}.js`, before: [] };
}
