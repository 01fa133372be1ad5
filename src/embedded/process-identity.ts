import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessIdentity {
  pid: number;
  /** When it was started, as the system words it: only good for comparing. */
  started: string;
}

/** Identity of a running process, or null when there is none with that id. */
export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const started = process.platform === 'linux' ? await linuxStart(pid) : await psStart(pid);
  return started === null ? null : { pid, started };
}

/** Whether exactly this process still runs. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.started === identity.started;
}

async function linuxStart(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The command's name may hold spaces and brackets; the fields counted by proc(5) go on behind its last bracket with the state.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, started] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' || started === undefined ? null : started;
}

async function psStart(pid: number): Promise<string | null> {
  const found = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => null);
  return found?.stdout.trim() || null;
}
