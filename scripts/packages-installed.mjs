// Exit code 0 when node_modules holds what package-lock.json names. npm writes its own list last, so a broken installation has none.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const packages = (file) => JSON.parse(readFileSync(join(import.meta.dirname, '..', file), 'utf8')).packages;

try {
  const installed = packages('node_modules/.package-lock.json');
  const missing = Object.entries(packages('package-lock.json')).filter(
    ([path, entry]) => path !== '' && !entry.optional && installed[path]?.version !== entry.version,
  );
  process.exitCode = missing.length === 0 ? 0 : 1;
} catch {
  process.exitCode = 1;
}
