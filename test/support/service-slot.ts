import type { ServiceProcess } from './processes.js';

/** A place where a process is kept running, as an orchestrator does: whatever ends is started again. */
export class ServiceSlot {
  private stopping = false;
  private readonly kept: Promise<void>;
  /** Resolves when the process is ready for the first time. */
  readonly ready: Promise<void>;
  private service: ServiceProcess | null = null;
  /** How often it was started again. */
  restarts = 0;

  /** @param start rejects when the process ends before it is ready */
  constructor(
    readonly name: string,
    private readonly start: () => Promise<ServiceProcess>,
  ) {
    let first: (started: Promise<ServiceProcess>) => void = () => undefined;
    this.ready = new Promise<ServiceProcess>((resolve) => (first = resolve)).then(() => undefined);
    this.kept = this.keep(first);
  }

  /** The process that runs and is ready, if there is one. */
  get current(): ServiceProcess | null {
    return this.service?.isRunning ? this.service : null;
  }

  /** Starts no more. */
  async release(): Promise<void> {
    this.stopping = true;
    this.service?.signal('SIGKILL');
    await this.kept;
  }

  private async keep(first: (started: Promise<ServiceProcess>) => void): Promise<void> {
    const started = this.start();
    first(started);
    this.service = await started;
    while (!this.stopping) {
      await this.service.ended;
      if (this.stopping) return;
      this.restarts += 1;
      // It may not start while a server that it needs is away; trying takes its time.
      this.service = await this.start().catch(() => this.service as ServiceProcess);
    }
  }
}
