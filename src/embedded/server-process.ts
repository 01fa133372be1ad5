import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedServerError } from './embedded-server.error.js';

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_LINES = 8;
const PING_INTERVAL_MS = 25;

/** How one database server is run. */
export interface ServerCommand {
  /** Its name in messages. */
  name: string;
  program: string;
  arguments: string[];
  /** Where it listens, on the loopback interface. */
  port: number;
  /** What it prints is appended here. */
  logFile: string;
  /** Resolves when the server answers a request of its own protocol, rejects while it does not. */
  ping: () => Promise<void>;
}

/** One run of a database server as a child process: from a first answered ping until it has ended. */
export class ServerProcess {
  /** Resolves, never rejects, with how it ended: `exit code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  private running = true;

  private constructor(
    private readonly child: ChildProcess,
    readonly pid: number,
  ) {
    const lifeline = startLifeline(pid);
    child.on('error', () => undefined); // a signal that came too late
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.running = false;
        lifeline.kill('SIGKILL');
        resolve(signal === null ? `exit code ${String(code)}` : `signal ${signal}`);
      });
    });
  }

  /**
   * Starts the server and waits until it answers.
   *
   * @param timeoutMs how long it may take until the first answer; a store that has to be recovered takes longer
   * @param onSpawn called with the process id as soon as there is one, before the server is ready
   * @throws EmbeddedServerError when it ends by itself or stays silent; the last lines of its log are in the message
   */
  static async start(
    command: ServerCommand,
    timeoutMs: number,
    onSpawn: (pid: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<ServerProcess> {
    await expectFree(command);
    const log = await openLog(command.logFile);
    let server: ServerProcess;
    try {
      // A session of its own: Ctrl-C in the terminal must reach the service first, which still needs its database to stop.
      const child = spawn(command.program, command.arguments, { detached: true, stdio: ['ignore', log.fd, log.fd] });
      if (child.pid === undefined) throw (await once(child, 'error'))[0];
      server = new ServerProcess(child, child.pid);
    } catch (cause) {
      throw new EmbeddedServerError(
        'embedded_server_failed',
        `${command.name} cannot be run: ${(cause as Error).message}`,
        cause,
      );
    } finally {
      await log.close();
    }
    try {
      await onSpawn(server.pid);
      await server.becomesReady(command, timeoutMs);
    } catch (error) {
      await server.stop(0);
      throw error;
    }
    return server;
  }

  get isRunning(): boolean {
    return this.running;
  }

  /** Sends a signal; does nothing when the process has ended. */
  kill(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** Ends the server: asks with SIGTERM, insists with SIGKILL after `graceMs`. Returns when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (graceMs > 0) {
      this.kill('SIGTERM');
      // One that was paused would not see the request.
      this.kill('SIGCONT');
      await Promise.race([this.ended, delay(graceMs, undefined, { ref: false })]);
    }
    this.kill('SIGKILL');
    await this.ended;
  }

  private async becomesReady(command: ServerCommand, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const failure = await command.ping().then(
        () => null,
        (error: unknown) => error,
      );
      if (!this.running) {
        const how = await this.ended;
        throw new EmbeddedServerError(
          'embedded_server_failed',
          `${command.name} ended at its start (${how}). ${await tail(command.logFile)}`,
        );
      }
      if (failure === null) return;
      if (Date.now() > deadline) {
        throw new EmbeddedServerError(
          'embedded_server_failed',
          `${command.name} does not answer after ${timeoutMs / 1000} s. ${await tail(command.logFile)}`,
          failure,
        );
      }
      await delay(PING_INTERVAL_MS);
    }
  }
}

/**
 * A shell that waits for this process to end, however it ends, and then stops the server: its standard input is a pipe that
 * closes with us, even on SIGKILL. It costs one sleeping process.
 */
function startLifeline(pid: number): ChildProcess {
  const script = 'read -r _; kill -TERM "$0"; kill -CONT "$0"';
  const lifeline = spawn('/bin/sh', ['-c', script, String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  lifeline.on('error', () => undefined); // without a shell the lease of the data folder still finds what was left behind
  lifeline.stdin?.on('error', () => undefined);
  lifeline.unref();
  (lifeline.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return lifeline;
}

/** A TCP port on the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe for a free port has no address');
  return address.port;
}

/** Who already listens there would answer in the server's place. */
async function expectFree(command: ServerCommand): Promise<void> {
  const taken = await connects(command.port).then(
    () => true,
    () => false,
  );
  if (taken) {
    throw new EmbeddedServerError(
      'port_taken',
      `${command.name} cannot have port ${command.port}: something listens there`,
    );
  }
}

/** Resolves when something on this machine accepts a connection on the port, rejects when nothing does. */
export async function connects(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

async function openLog(file: string) {
  await mkdir(dirname(file), { recursive: true });
  const size = await stat(file).then(
    (entry) => entry.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(file, `${file}.1`);
  return open(file, 'a', 0o600);
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.trimEnd().split('\n').slice(-LOG_TAIL_LINES);
  return `The end of ${file}:\n${lines.join('\n')}`;
}
