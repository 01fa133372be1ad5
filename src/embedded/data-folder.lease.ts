import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedServerError } from './embedded-server.error.js';
import { identify, isRunning, type ProcessIdentity } from './process-identity.js';

const STALE_SERVER_GRACE_MS = 15_000;
const POLL_MS = 50;
/** Who removes a stale lease takes moments: one that takes longer was killed at it. */
const STALE_GUARD_MS = 10_000;

interface LeaseRecord {
  /** The service that uses the folder. */
  owner: ProcessIdentity;
  /** Its database server. */
  server: ProcessIdentity | null;
  /** Where that server listens on the loopback interface. */
  port?: number;
}

/**
 * The right to run a database server on a data folder, held by one service at a time in a file beside that folder.
 *
 * A service that was killed leaves its file, and perhaps its server, behind: who comes next ends that server first, so that
 * the folder is never locked and never opened twice.
 */
export class DataFolderLease {
  private constructor(
    private readonly file: string,
    private readonly record: LeaseRecord,
  ) {}

  /**
   * @param file where the lease is written
   * @throws EmbeddedServerError when another service that runs holds it
   */
  static async acquire(file: string): Promise<DataFolderLease> {
    const owner = await identify(process.pid);
    if (owner === null) throw new EmbeddedServerError('embedded_server_failed', 'This process cannot find itself.');
    const lease = new DataFolderLease(file, { owner, server: null });
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    while (!(await lease.create())) {
      const held = await read(file);
      if (held !== null && (await isRunning(held.owner))) {
        throw new EmbeddedServerError(
          'data_folder_in_use',
          `${dirname(file)} is in use by process ${held.owner.pid}. Stop it, or set another DATA_DIR.`,
        );
      }
      if (held?.server) await end(held.server);
      await lease.removeStale(held);
    }
    return lease;
  }

  /**
   * Several that come at once find the same lease stale, and one of them has made its own before another removes what it found: one at
   * a time looks again, and removes what is still the same.
   */
  private async removeStale(stale: LeaseRecord | null): Promise<void> {
    const guard = `${this.file}.taking`;
    try {
      await mkdir(guard);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const since = await stat(guard).catch(() => null);
      if (since && Date.now() - since.mtimeMs > STALE_GUARD_MS) await rmdir(guard).catch(() => undefined);
      else await delay(POLL_MS);
      return;
    }
    try {
      const now = await read(this.file);
      if (JSON.stringify(now?.owner) === JSON.stringify(stale?.owner)) await rm(this.file, { force: true });
    } finally {
      await rmdir(guard);
    }
  }

  /** Notes which process is the server, for whoever has to end it, or wants to use it too. */
  async runs(pid: number, port?: number): Promise<void> {
    this.record.server = await identify(pid);
    if (port !== undefined) this.record.port = port;
    const fresh = `${this.file}.${randomUUID()}`;
    await writeFile(fresh, JSON.stringify(this.record));
    await rename(fresh, this.file);
  }

  async release(): Promise<void> {
    await rm(this.file, { force: true });
  }

  /** Whole or not at all: a link is refused when the file is there. */
  private async create(): Promise<boolean> {
    const fresh = `${this.file}.${randomUUID()}`;
    await writeFile(fresh, JSON.stringify(this.record));
    try {
      await link(fresh, this.file);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return false;
    } finally {
      await rm(fresh, { force: true });
    }
  }
}

/** Port of the server that a running service has on a data folder; null when there is none. */
export async function leasedPort(file: string): Promise<number | null> {
  const held = await read(file);
  if (!held?.server || held.port === undefined) return null;
  const both = (await isRunning(held.owner)) && (await isRunning(held.server));
  return both ? held.port : null;
}

async function read(file: string): Promise<LeaseRecord | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LeaseRecord;
  } catch {
    return null;
  }
}

async function end(server: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + STALE_SERVER_GRACE_MS;
  let signal: NodeJS.Signals = 'SIGTERM';
  while (await isRunning(server)) {
    try {
      process.kill(server.pid, signal);
    } catch {
      return; // it ended in between
    }
    if (Date.now() > deadline) signal = 'SIGKILL';
    await delay(POLL_MS);
  }
}
