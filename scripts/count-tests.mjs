// Adds up what scripts/test left in a folder: <suite>.exit holds an exit code, <suite>.json the report of a suite of jest,
// and <suite>.again1.json those of its files that ran again (run-jest.mjs): what a file said last counts.
// Prints what failed and was skipped, then `N passed, N failed, N skipped` as the last line; exit code 1 on any failure.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** Lines of a failure that are shown beside its count: a log that was cut still says what was wrong. */
const LINES_SHOWN = 30;

const folder = process.argv[2];
const total = { passed: 0, failed: 0, skipped: 0 };

function count(suite, exitCode) {
  const reports = readdirSync(folder).filter((name) => name.startsWith(`${suite}.`) && name.endsWith('.json'));
  if (reports.length === 0) {
    total[exitCode === 0 ? 'passed' : 'failed'] += 1;
    if (exitCode !== 0) console.log(`failed: ${suite}`);
    return;
  }
  const files = new Map();
  // `a.again1.json` sorts before `a.json`.
  for (const name of reports.sort((a, b) => a.length - b.length || a.localeCompare(b)))
    for (const file of JSON.parse(readFileSync(join(folder, name), 'utf8')).testResults) {
      if (files.has(file.name))
        console.log(`ran again, after the machine stood still: ${suite}: ${relative('.', file.name)}`);
      files.set(file.name, file);
    }
  const failedBefore = total.failed;
  for (const file of files.values()) {
    // One that cannot be loaded has no tests to fail.
    if (file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed')) {
      console.log(`failed: ${suite}: ${file.name}`);
      console.log(shown(file.message));
      total.failed += 1;
    }
    for (const test of file.assertionResults) {
      if (test.status === 'failed') {
        console.log(`failed: ${suite}: ${test.fullName}`);
        for (const message of test.failureMessages) console.log(shown(message));
        total.failed += 1;
      } else if (test.status === 'passed') total.passed += 1;
      else {
        console.log(`skipped: ${suite}: ${test.fullName}`);
        total.skipped += 1;
      }
    }
  }
  // A suite may fail outside of its files.
  if (exitCode !== 0 && total.failed === failedBefore) total.failed += 1;
}

function shown(message) {
  const lines = stripVTControlCharacters(message).split('\n');
  const kept = lines.filter((line) => line.trim() !== '' && !/^\s+at .*(node_modules|node:)/.test(line));
  return kept
    .slice(0, LINES_SHOWN)
    .map((line) => `    ${line.slice(0, 400)}`)
    .join('\n');
}

console.log('');
for (const entry of readdirSync(folder).filter((name) => name.endsWith('.exit'))) {
  count(basename(entry, '.exit'), Number(readFileSync(join(folder, entry), 'utf8')));
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
