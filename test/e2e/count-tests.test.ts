import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(import.meta.dirname, '../../scripts/count-tests.mjs');

type Test = [title: string, status: 'passed' | 'failed' | 'pending'];

describe('the count of the tests', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'vivavoce-count-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What a run of jest leaves, for files with tests; one without any could not be loaded. */
  function report(name: string, files: Record<string, Test[]>): void {
    const testResults = Object.entries(files).map(([file, tests]) => ({
      name: file,
      status: tests.length === 0 || tests.some(([, status]) => status === 'failed') ? 'failed' : 'passed',
      message: 'Cannot find module',
      assertionResults: tests.map(([fullName, status]) => ({ fullName, status, failureMessages: ['Error: no'] })),
    }));
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ testResults }));
  }
  const ended = (suite: string, code: number) => writeFileSync(join(folder, `${suite}.exit`), `${code}\n`);
  function count() {
    const { stdout, status } = spawnSync(process.execPath, [program, folder], { encoding: 'utf8' });
    return { lines: stdout.trim().split('\n'), last: stdout.trim().split('\n').at(-1), status };
  }

  it('adds up what passed, failed and was skipped, and suites that are one test', () => {
    report('unit', {
      'a.ts': [
        ['one', 'passed'],
        ['two', 'failed'],
      ],
      'b.ts': [['three', 'pending']],
    });
    ended('unit', 1);
    ended('format', 0);
    ended('lint', 2);
    expect(count()).toMatchObject({ last: '2 passed, 2 failed, 1 skipped', status: 1 });
  });

  it('counts of a file that ran again what it said last, and names it', () => {
    report('e2e', {
      'a.ts': [
        ['one', 'passed'],
        ['two', 'failed'],
      ],
      'b.ts': [['three', 'passed']],
    });
    report('e2e.again1', {
      'a.ts': [
        ['one', 'failed'],
        ['two', 'passed'],
      ],
    });
    report('e2e.again2', {
      'a.ts': [
        ['one', 'passed'],
        ['two', 'passed'],
      ],
    });
    ended('e2e', 0);
    const { lines, last, status } = count();
    expect([last, status]).toEqual(['3 passed, 0 failed, 0 skipped', 0]);
    expect(lines).toContain('ran again, after the machine stood still: e2e: a.ts');
  });

  it.each<[string, Record<string, Test[]>]>([
    ['cannot be loaded', { 'a.ts': [], 'b.ts': [['one', 'passed']] }],
    ['all pass in a suite that fails outside of them', { 'b.ts': [['one', 'passed']] }],
  ])('has a failure where files %s', (_how, files) => {
    report('faults', files);
    ended('faults', 1);
    expect(count()).toMatchObject({ last: '1 passed, 1 failed, 0 skipped', status: 1 });
  });
});
