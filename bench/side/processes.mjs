import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Linux counts CPU time in /proc in hundredths of a second. */
const TICK_MS = 10;

const alive = new Set();
// However a run ends, nothing that it started outlives it.
process.once('exit', () => alive.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A child process whose CPU time and memory can be read. Linux only. */
export class Measured {
  /**
   * @param {string} name of its log file
   * @param {string} folder where its log goes
   */
  constructor(name, folder, command, args, env = {}, cwd = undefined) {
    this.name = name;
    this.child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
    this.child.stdout.pipe(this.log, { end: false });
    this.child.stderr.pipe(this.log, { end: false });
    alive.add(this.child);
    this.gone = new Promise((resolve) => this.child.once('exit', resolve)).then(() => alive.delete(this.child));
    this.child.once('error', (error) => console.error(`${name}: ${error.message}`));
  }

  get pid() {
    return this.child.pid;
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** CPU time of the process with all its threads and the processes that it started, in ms. */
  cpuMs() {
    return cpuOfTree(this.pid);
  }

  /** A line of /proc/PID/status in MiB: VmRSS, or VmHWM for its peak. */
  memoryMb(field) {
    const line = new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(line[1]) / 1024;
  }

  /** From here on VmHWM is the peak since now. */
  resetPeak() {
    writeFileSync(`/proc/${this.pid}/clear_refs`, '5');
  }

  lastWords() {
    return readFileSync(this.log.path, 'utf8').slice(-2000);
  }

  async stop() {
    if (this.running) this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await this.gone;
    clearTimeout(late);
    this.log.end();
  }
}

function cpuOfTree(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    // User and system time, of the process and of the children that it has seen end.
    const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? own : children.split(' ').reduce((sum, child) => sum + cpuOfTree(child), own);
  } catch {
    return 0;
  }
}

/** CPU time that all processes of the machine have used, in ms. */
export function machineBusyMs() {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until `test` resolves to something true; errors count as "not yet". */
export async function until(what, test, { timeoutMs = 30_000, process: needed = null } = {}) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    if (needed && !needed.running) throw new Error(`${what} ended; its log:\n${needed.lastWords()}`);
    const result = await Promise.resolve()
      .then(test)
      .catch(() => false);
    if (result) return result;
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`);
    await pause(25);
  }
}
