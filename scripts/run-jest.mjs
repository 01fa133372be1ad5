// Runs projects of jest: run-jest.mjs REPORT WORKERS PROJECT... leaves REPORT.json.
// A test that fails while the machine stands still tells nothing of Vivavoce: leases of seconds run out, and everybody is late. So files
// that failed in a run during which it stood still run again, alone, once it goes on, and leave REPORT.again1.json and so on. What fails
// on a machine that keeps running has failed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 100;
/** Two processors with a dozen busy processes let each wait for tenths of a second: longer than this is not their doing. */
const STILL_MS = 1500;
/** Of the time of its processors, when others take it by slices: over as many looks as follow. */
const STOLEN = 0.2;
const WINDOW = 100;
const CALM_MS = 20_000;
const WAIT_MS = 300_000;
const AGAIN = 2;

const [report, workers, ...projects] = process.argv.slice(2);
const still = { times: 0, longestMs: 0, at: -Infinity };
watch();

let file = `${report}.json`;
let code = await jest(file, workers, []);
for (let again = 1; code !== 0 && still.times > 0 && again <= AGAIN; again++) {
  const failed = failedFiles(file);
  if (failed.length === 0) break;
  const longest = (still.longestMs / 1000).toFixed(1);
  console.log(`The machine stood still, ${longest} s at the longest: ${failed.length} files with failures run again`);
  await calm();
  Object.assign(still, { times: 0, longestMs: 0 });
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

function failedFiles(outputFile) {
  if (!existsSync(outputFile)) return [];
  const { testResults } = JSON.parse(readFileSync(outputFile, 'utf8'));
  return testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
}

/** Notes in `still` whenever nothing ran for a while, or others had much of the processors. */
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
    still.times += 1;
    still.longestMs = Math.max(still.longestMs, late);
    still.at = now;
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
  while (Date.now() < giveUp && Date.now() - still.at < CALM_MS) await delay(1000);
}
