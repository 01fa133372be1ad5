import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PATIENCE_MS } from './patience.js';

const LINES_KEPT = 4000;
const LINES_SHOWN = 25;

/** One line of a process's structured log. */
export type LogLine = Record<string, unknown> & { msg?: string };

export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const alive = new Set<ChildProcess>();
// A test run that ends early takes its processes with it.
process.once('exit', () => alive.forEach((child) => child.kill('SIGKILL')));

/** The built service; TEST_MAIN names another build. */
function builtMain(): string {
  const main = process.env['TEST_MAIN'] ?? fileURLToPath(new URL('../../dist/main.js', import.meta.url));
  if (!existsSync(main)) throw new Error(`${main} is not there: run \`npm run build\` first`);
  return main;
}

/** A process of the built service, as a person would start it: `node dist/main.js api`. */
export class ServiceProcess {
  /** Resolves, never rejects, when it is gone. */
  readonly ended: Promise<ProcessEnd>;
  private readonly lines: LogLine[] = [];
  private readonly watchers = new Set<() => void>();
  private end: ProcessEnd | null = null;
  private address: string | null = null;

  private constructor(
    readonly role: string,
    private readonly child: ChildProcess,
  ) {
    alive.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.note(line));
    }
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        alive.delete(child);
        this.end = { code, signal };
        resolve(this.end);
        this.changed();
      });
    });
  }

  /** Spawns it without waiting until it is ready. Only `environment` reaches it, and where programs are found. */
  static spawn(role: 'api' | 'worker' | 'all', environment: Record<string, string>): ServiceProcess {
    const { PATH = '', HOME = '', XDG_CACHE_HOME } = process.env;
    const child = spawn(process.execPath, [builtMain(), role], {
      env: {
        ...{ PATH, HOME, ...(XDG_CACHE_HOME ? { XDG_CACHE_HOME } : {}) },
        ...{ NODE_ENV: 'test', PORT: '0', WORKER_PORT: '0', LOG_LEVEL: 'info' },
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new ServiceProcess(role, child);
  }

  /** Starts it and waits until it says that it is ready. */
  static async start(role: 'api' | 'worker' | 'all', environment: Record<string, string>): Promise<ServiceProcess> {
    const service = ServiceProcess.spawn(role, environment);
    await service.ready();
    return service;
  }

  /** @throws Error with the end of its log when it ends instead, or is not ready within a minute */
  async ready(): Promise<void> {
    const { url } = await this.logged('Vivavoce is ready');
    this.address = String(url);
  }

  /** Where it listens: a worker has /health and /metrics. */
  get url(): string {
    if (this.address === null) throw new Error(`The ${this.role} is not ready yet`);
    return this.address;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.end === null;
  }

  /** Resolves with the first line of its log, past or to come, whose message starts so. */
  async logged(message: string, timeoutMs = PATIENCE_MS): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const give = (error: Error | null, line?: LogLine) => {
        clearTimeout(timer);
        this.watchers.delete(look);
        if (error) reject(error);
        else resolve(line ?? {});
      };
      const look = () => {
        const line = this.lines.find(({ msg }) => msg?.startsWith(message));
        if (line) give(null, line);
        else if (this.end) give(new Error(`The ${this.role} ended before it said "${message}":\n${this.tail()}`));
      };
      const late = () =>
        give(new Error(`The ${this.role} did not say "${message}" in ${timeoutMs / 1000} s:\n${this.tail()}`));
      const timer = setTimeout(late, timeoutMs);
      this.watchers.add(look);
      look();
    });
  }

  /** Sends a signal; does nothing when it is gone. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.child.kill(signal);
  }

  /** Ends it at once and waits until it is gone. */
  async kill(): Promise<ProcessEnd> {
    this.signal('SIGKILL');
    return this.ended;
  }

  /** Asks it to stop, as an orchestrator does, and waits until it is gone. */
  async stop(): Promise<ProcessEnd> {
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    return this.ended;
  }

  /** What it logged about a request or a job. */
  about(correlationId: string): LogLine[] {
    return this.lines.filter((line) => line['correlation_id'] === correlationId);
  }

  /** The last lines that it logged, for a person. */
  tail(): string {
    return this.lines
      .slice(-LINES_SHOWN)
      .map((line) => JSON.stringify(line).slice(0, 600))
      .join('\n');
  }

  private note(text: string): void {
    let line: LogLine;
    try {
      line = JSON.parse(text) as LogLine;
    } catch {
      line = { msg: text };
    }
    this.lines.push(line);
    if (this.lines.length > LINES_KEPT) this.lines.splice(0, LINES_KEPT / 2);
    this.changed();
  }

  private changed(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}
