import { setTimeout as delay } from 'node:timers/promises';
import { DataFolderLease } from './data-folder.lease.js';
import { freePort, type ServerCommand, ServerProcess } from './server-process.js';

const START_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 15_000;
const PORT_TRIES = 3;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 30_000;
/** A server that ran for so long starts with the first backoff again. */
const STEADY_MS = 60_000;

/** Where the embedded servers say what happened to them. */
export interface EmbeddedLog {
  log(message: string): void;
  warn(message: string): void;
}

export interface SupervisedServerOptions {
  /** Lease of the data folder. */
  leaseFile: string;
  /** Null takes a free one. */
  port: number | null;
  command: (port: number) => Promise<ServerCommand>;
  log: EmbeddedLog;
}

/** A database server that runs until it is stopped: when it ends by itself it is started again, on the same port. */
export class SupervisedServer {
  private stopping: AbortController | null = new AbortController();
  private watch: Promise<void> = Promise.resolve();

  private constructor(
    readonly port: number,
    private readonly command: ServerCommand,
    private server: ServerProcess,
    private readonly lease: DataFolderLease,
    private readonly log: EmbeddedLog,
  ) {}

  /** @throws EmbeddedServerError when the data folder is in use or the server does not start */
  static async start(options: SupervisedServerOptions): Promise<SupervisedServer> {
    const lease = await DataFolderLease.acquire(options.leaseFile);
    try {
      for (let attempt = 1; ; attempt++) {
        const port = options.port ?? (await freePort());
        const command = await options.command(port);
        try {
          const server = await ServerProcess.start(command, START_TIMEOUT_MS, (pid) => lease.runs(pid, port));
          options.log.log(`${command.name} runs at 127.0.0.1:${port} (process ${server.pid}, log ${command.logFile})`);
          const supervised = new SupervisedServer(port, command, server, lease, options.log);
          supervised.watch = supervised.keepRunning();
          return supervised;
        } catch (error) {
          // Somebody else may have taken the free port in between.
          if (options.port !== null || attempt === PORT_TRIES) throw error;
        }
      }
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  /** Process id of the present run. */
  get pid(): number {
    return this.server.pid;
  }

  /** Stops the server and gives the data folder free. May be called again. */
  async stop(): Promise<void> {
    const stopping = this.stopping;
    this.stopping = null;
    stopping?.abort();
    if (stopping !== null) {
      await this.server.stop(STOP_GRACE_MS);
      await this.watch;
      await this.lease.release();
    } else await this.watch;
  }

  private async keepRunning(): Promise<void> {
    let backoff = BACKOFF_FIRST_MS;
    for (;;) {
      const since = Date.now();
      const how = await this.server.ended;
      if (Date.now() - since > STEADY_MS) backoff = BACKOFF_FIRST_MS;
      let why = `ended by itself (${how})`;
      do {
        if (this.stopping === null) return;
        this.log.warn(`${this.command.name} ${why}: starting it again in ${backoff} ms`);
        await delay(backoff, undefined, { signal: this.stopping.signal }).catch(() => undefined);
        backoff = Math.min(backoff * 2, BACKOFF_MOST_MS);
        if (this.isStopping()) return;
        why = await this.startAgain();
      } while (why !== '');
    }
  }

  /** @returns why it did not start, or an empty text */
  private async startAgain(): Promise<string> {
    try {
      this.server = await ServerProcess.start(this.command, START_TIMEOUT_MS, (pid) => this.lease.runs(pid));
    } catch (error) {
      return `does not start (${(error as Error).message})`;
    }
    if (this.isStopping()) await this.server.stop(STOP_GRACE_MS);
    else this.log.log(`${this.command.name} runs again (process ${this.server.pid})`);
    return '';
  }

  private isStopping(): boolean {
    return this.stopping === null;
  }
}
