import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * Folder of an installed npm package, which may export its JavaScript only: it is looked for where Node would.
 *
 * @throws Error when it is not installed
 */
export function packageFolder(name: string): string {
  for (const modules of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const folder = join(modules, name);
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  throw new Error(`The package ${name} is not installed.`);
}
