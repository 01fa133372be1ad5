import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolderLease } from './data-folder.lease.js';
import { identify } from './process-identity.js';

describe('the lease of a data folder', () => {
  let folder: string;
  let file: string;
  let server: ChildProcess | null;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vivavoce-lease-'));
    file = join(folder, 'mongodb.lease');
    server = null;
  });
  afterEach(async () => {
    server?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function someServer(): Promise<ChildProcess & { pid: number }> {
    server = spawn('sleep', ['60']);
    await once(server, 'spawn');
    return server as ChildProcess & { pid: number };
  }

  it('makes the folder for its owner alone: transcripts are in it', async () => {
    const made = join(folder, 'data');
    await (await DataFolderLease.acquire(join(made, 'mongodb.lease'))).release();
    expect((await stat(made)).mode & 0o777).toBe(0o700);
  });

  it('is held by one at a time, and free again after its release', async () => {
    const lease = await DataFolderLease.acquire(file);
    await expect(DataFolderLease.acquire(file)).rejects.toThrow(/in use by process/);
    await lease.release();
    await (await DataFolderLease.acquire(file)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('passes on from a service that is gone, after its server is ended', async () => {
    const { pid } = await someServer();
    const ended = once(server as ChildProcess, 'exit');
    const gone = { pid: process.pid, started: 'at another time' };
    await writeFile(file, JSON.stringify({ owner: gone, server: await identify(pid) }));
    await (await DataFolderLease.acquire(file)).release();
    expect((await ended)[1]).toBe('SIGTERM');
  });

  it('leaves a process alone that has only the number of the server', async () => {
    const { pid } = await someServer();
    const gone = { pid: process.pid, started: 'at another time' };
    await writeFile(file, JSON.stringify({ owner: gone, server: { pid, started: 'at another time' } }));
    await (await DataFolderLease.acquire(file)).release();
    expect(await identify(pid)).not.toBeNull();
  });

  it('passes on to one alone of those that come at the same time', async () => {
    const gone = { pid: process.pid, started: 'at another time' };
    for (let round = 0; round < 50; round++) {
      await writeFile(file, JSON.stringify({ owner: gone, server: null }));
      const asked = await Promise.allSettled(Array.from({ length: 5 }, () => DataFolderLease.acquire(file)));
      const held = asked.filter((each) => each.status === 'fulfilled');
      expect([round, held.length]).toEqual([round, 1]);
      await held[0]!.value.release();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not held up by one that was killed while it took over', async () => {
    await writeFile(file, JSON.stringify({ owner: { pid: process.pid, started: 'at another time' }, server: null }));
    await mkdir(`${file}.taking`);
    await utimes(`${file}.taking`, new Date(0), new Date(0));
    await (await DataFolderLease.acquire(file)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not held up by a file that cannot be read', async () => {
    await writeFile(file, '{"owner":');
    await (await DataFolderLease.acquire(file)).release();
  });
});
