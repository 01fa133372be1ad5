import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DryMongoBinary } from 'mongodb-memory-server-core/lib/util/DryMongoBinary.js';
import { MongoBinary } from 'mongodb-memory-server-core/lib/util/MongoBinary.js';
import { DEFAULT_VERSION } from 'mongodb-memory-server-core/lib/util/resolveConfig.js';
import { cacheFolder } from '../config/host.js';

const FAILURE_REMEMBERED_MS = 6 * 3_600_000;
const PATIENCE_MS = 10 * 60_000;

/**
 * The mongod that mongodb-memory-server downloads, kept in the cache folder.
 *
 * A download that failed is remembered there for six hours, so that a machine without a way out does not wait at every start.
 *
 * @param say is told that a download begins, and why one failed
 * @returns the program's path, or null when it cannot be had
 */
export async function downloadMongod(say: (message: string) => void): Promise<string | null> {
  const downloadDir = join(cacheFolder(), 'mongodb-binaries');
  const failed = join(cacheFolder(), 'mongod-download-failed');
  const here = await DryMongoBinary.locateBinary({ version: DEFAULT_VERSION, downloadDir }).catch(() => undefined);
  if (here !== undefined) return here;
  const failedAt = await stat(failed).then(
    (entry) => entry.mtimeMs,
    () => -Infinity,
  );
  if (Date.now() - failedAt < FAILURE_REMEMBERED_MS) return null;
  await mkdir(downloadDir, { recursive: true });
  say(`No mongod on the PATH: downloading MongoDB ${DEFAULT_VERSION} into ${downloadDir} (once)`);
  try {
    const program = await Promise.race([
      MongoBinary.getPath({ version: DEFAULT_VERSION, downloadDir }),
      delay(PATIENCE_MS, null, { ref: false }),
    ]);
    if (program === null) throw new Error(`it took longer than ${PATIENCE_MS / 60_000} minutes`);
    await rm(failed, { force: true });
    return program;
  } catch (error) {
    say(`MongoDB cannot be downloaded: ${(error as Error).message.split('\n')[0] ?? ''}`);
    await writeFile(failed, `${(error as Error).message}\n`).catch(() => undefined);
    return null;
  }
}
