// Runs projects of jest: run-jest.mjs REPORT WORKERS PROJECT... leaves REPORT.json.
// A test that fails while the machine stands still tells nothing of Vivavoce: leases of seconds run out, and everybody is late. So files
// that failed, and during which it stood still, run again, one at a time, once it goes on, and leave REPORT.again1.json and so on. What
// fails on a machine that keeps running has failed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 100;
/** Two processors with a dozen busy processes let each wait for tenths of a second: longer than this is not their doing. */
const STILL_MS = 1500;
/** Of the time of its processors over a window, when others take it by slices. */
const STOLEN = 0.2;
/** Looks. */
const WINDOW = 100;
const CALM_MS = 20_000;
const WAIT_MS = 300_000;
const AGAIN = 2;

const [report, workers, ...projects] = process.argv.slice(2);
/** When the machine stood still, in the order of their ends: `{ from, to }` in ms since 1970. */
const stills = [];
watch();

let file = `${report}.json`;
let code = await jest(file, workers, []);
for (let again = 1; code !== 0 && again <= AGAIN; again++) {
  const failed = failedWhileStill(file);
  if (failed === null) break;
  console.log(`The machine stood still: ${failed.length} files that failed meanwhile run again`);
  await calm();
  file = `${report}.again${again}.json`;
  code = await jest(file, 1, ['--runTestsByPath', ...failed]);
}
process.exit(code);

async function jest(outputFile, maxWorkers, more) {
  const given = ['--passWithNoTests', '--forceExit', '--json', '--outputFile', outputFile, '--maxWorkers', maxWorkers];
  const run = spawn('npx', ['jest', '--selectProjects', ...projects, ...given, ...more], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [exitCode] = await once(run, 'exit');
  return exitCode ?? 1;
}

/** The files that failed, null if there is one for which the machine is not to blame: it has failed, whatever the others do. */
function failedWhileStill(outputFile) {
  if (!existsSync(outputFile)) return null;
  const failed = JSON.parse(readFileSync(outputFile, 'utf8')).testResults.filter(({ status }) => status === 'failed');
  const meanwhile = failed.filter(({ startTime, endTime }) =>
    stills.some(({ from, to }) => from < endTime && to > startTime),
  );
  return failed.length > 0 && meanwhile.length === failed.length ? failed.map(({ name }) => name) : null;
}

/** Notes in `stills` whenever nothing ran for a while, or others had much of the processors. */
async function watch() {
  let last = Date.now();
  const taken = [];
  for (;;) {
    await delay(LOOK_MS, undefined, { ref: false });
    const now = Date.now();
    const late = now - last - LOOK_MS;
    last = now;
    taken.push(processorTime());
    const { all, stolen } = taken.length > WINDOW ? since(taken.shift(), taken.at(-1)) : { all: 0, stolen: 0 };
    if (late < STILL_MS && stolen <= STOLEN * all) continue;
    stills.push({ from: late < STILL_MS ? now - WINDOW * LOOK_MS : now - late, to: now });
  }
}

/** Sums over all processors since the start, in ticks; zeros where there is no /proc. */
function processorTime() {
  if (!existsSync('/proc/stat')) return { all: 0, stolen: 0 };
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].split(/\s+/).slice(1, 9).map(Number);
  return { all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0 };
}

function since(before, now) {
  return { all: now.all - before.all, stolen: now.stolen - before.stolen };
}

async function calm() {
  const giveUp = Date.now() + WAIT_MS;
  while (Date.now() < giveUp && Date.now() - stills.at(-1).to < CALM_MS) await delay(1000);
}
