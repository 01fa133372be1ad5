// Adds up what scripts/test left in a folder: <suite>.exit holds an exit code, <suite>.json the report of a suite of jest.
// Prints what failed and was skipped, then `N passed, N failed, N skipped` as the last line; exit code 1 on any failure.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** Lines of a failure that are shown beside its count: a log that was cut still says what was wrong. */
const LINES_SHOWN = 30;

const folder = process.argv[2];
const total = { passed: 0, failed: 0, skipped: 0 };

function count(suite, exitCode) {
  const file = join(folder, `${suite}.json`);
  if (!existsSync(file)) {
    total[exitCode === 0 ? 'passed' : 'failed'] += 1;
    if (exitCode !== 0) console.log(`failed: ${suite}`);
    return;
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  total.passed += report.numPassedTests;
  total.skipped += report.numPendingTests + report.numTodoTests;
  // A file that cannot be loaded has no tests to fail, and a suite may fail outside of its tests.
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  total.failed += failed === 0 && exitCode !== 0 ? 1 : failed;
  for (const file of report.testResults) {
    if (file.status === 'failed' && file.assertionResults.length === 0) console.log(`failed: ${suite}: ${file.name}`);
    for (const test of file.assertionResults) {
      if (test.status === 'failed') {
        console.log(`failed: ${suite}: ${test.fullName}`);
        for (const message of test.failureMessages) console.log(shown(message));
      } else if (test.status !== 'passed') console.log(`skipped: ${suite}: ${test.fullName}`);
    }
  }
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
