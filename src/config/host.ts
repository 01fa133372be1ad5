import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

/**
 * Folder for what may be fetched or built again and is shared by every checkout: `$XDG_CACHE_HOME/vivavoce`, by default
 * `~/.cache/vivavoce` (XDG base directory specification, which ignores a relative path).
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const given = environment['XDG_CACHE_HOME'];
  return join(given && isAbsolute(given) ? given : join(homedir(), '.cache'), 'vivavoce');
}

/** Full path of a program on the PATH, or null when there is none that may be run. */
export function findProgram(name: string, environment: NodeJS.ProcessEnv = process.env): string | null {
  for (const folder of (environment['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const candidate = join(folder, name);
    if (isRunnable(candidate)) return candidate;
  }
  return null;
}

/** Whether the path is a file that this process may execute. */
export function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
