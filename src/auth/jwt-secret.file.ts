import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE_NAME = 'jwt-secret';
const SECRET_BYTES = 48;

/**
 * The secret a laptop signs its tokens with, in base64url: read from `<folder>/jwt-secret`, or made on first use (mode 0600).
 * Several processes may call it at once: all get the same one.
 *
 * @throws the file system's error if the folder cannot be written
 */
export async function loadOrCreateSecret(folder: string): Promise<string> {
  const path = join(folder, FILE_NAME);
  const existing = await readIfThere(path);
  if (existing) return existing;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, randomBytes(SECRET_BYTES).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true });
  try {
    // A link either appears whole or not at all, and only the first one does.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return (await readIfThere(path)) ?? loadOrCreateSecret(folder);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim() || null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
