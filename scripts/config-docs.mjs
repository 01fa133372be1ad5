// Makes .env.example and the README's table of settings anew from src/config/variables.ts. Run after `npm run build`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { envExample, withConfigurationTable } from '../dist/config/documentation.js';

const at = (name) => join(import.meta.dirname, '..', name);

writeFileSync(at('.env.example'), envExample());
if (existsSync(at('README.md'))) {
  writeFileSync(at('README.md'), withConfigurationTable(readFileSync(at('README.md'), 'utf8')));
}
