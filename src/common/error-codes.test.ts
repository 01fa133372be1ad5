import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const table = readFileSync(join(root, 'docs/ERRORS.md'), 'utf8');

/** From code to what the table says of trying again. */
const told = new Map(
  [...table.matchAll(/^\| `(\w+)` \| [^|]+ \| (yes|free|no) \|/gm)].map(([, code, again]) => [code, again]),
);

const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  // The sweep's own, which ends in no ledger.
  .map((file) => ({ file, text: readFileSync(join(root, 'src', file), 'utf8').replaceAll("'redis_away'", '') }));

const codesIn = (pattern: RegExp, folder = ''): string[] =>
  source
    .filter(({ file }) => file.startsWith(folder))
    .flatMap(({ text }) => [...text.matchAll(pattern)].map(([, code]) => code!));

const passing = codesIn(/new TransientError\(\s*'(\w+)'/g);
const lasting = codesIn(/new PermanentError\(\s*'(\w+)'/g);

describe('docs/ERRORS.md', () => {
  it('has every code that the ledger can have', () => {
    const literal = codesIn(/\bcode: '(\w+)',\s*message\b/g);
    const engines = codesIn(/'(engine_\w+)'/g);
    const uploads = codesIn(/new AppError\(\s*'\w+',\s*'(\w+)'/g, 'uploads/');
    const found = new Set([...passing, ...lasting, ...literal, ...engines, ...uploads]);
    expect(found.size).toBeGreaterThan(50);
    expect([...found].filter((code) => !told.has(code))).toEqual([]);
  });

  it('has no code that is gone', () => {
    const all = source.map(({ text }) => text).join('\n');
    expect([...told.keys()].filter((code) => !all.includes(`'${code}'`))).toEqual([]);
  });

  it('says of each whether it is tried again', () => {
    expect(passing.filter((code) => told.get(code) === 'no')).toEqual([]);
    expect(lasting.filter((code) => told.get(code) !== 'no')).toEqual([]);
    const free = codesIn(/new TransientError\(\s*'(\w+)',[^;]*uncounted: true/g);
    expect(new Set(free)).toEqual(new Set([...told].filter(([, again]) => again === 'free').map(([code]) => code)));
  });
});
