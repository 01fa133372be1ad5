import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { envExample, withConfigurationTable } from './documentation.js';
import { variables } from './variables.js';

const remedy = 'npm run build && node scripts/config-docs.mjs';
const read = (name: string) => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');

describe('the documents of the settings', () => {
  it('.env.example is what the list of variables says', () => {
    expect({ remedy, text: read('.env.example') }).toEqual({ remedy, text: envExample() });
  });

  it("the README's table is what the list of variables says", () => {
    if (!existsSync(join(import.meta.dirname, '../..', 'README.md'))) return;
    const readme = read('README.md');
    expect({ remedy, text: readme }).toEqual({ remedy, text: withConfigurationTable(readme) });
  });

  it('name every variable once, and no default of a secret', () => {
    const names = [...envExample().matchAll(/^# ([A-Z0-9_]+)=/gm)].map((match) => match[1]);
    expect(names).toEqual(Object.keys(variables));
    expect(envExample()).toMatch(/^# JWT_SECRET=$/m);
  });

  it('replace the table between the markers and nothing else', () => {
    const document = 'before\n<!-- configuration -->\nthe table before\n<!-- /configuration -->\nafter\n';
    const fresh = withConfigurationTable(document);
    expect(fresh).toMatch(/^before\n<!-- configuration -->\n\| variable/);
    expect(fresh).toMatch(/\n<!-- \/configuration -->\nafter\n$/);
    expect(fresh).not.toContain('the table before');
    expect(withConfigurationTable(fresh)).toBe(fresh);
    expect(withConfigurationTable('no table')).toBe('no table');
  });
});
