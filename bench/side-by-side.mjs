// Vivavoce beside the reference service, in one run on one machine: see bench/RESULTS.md for the figures and the command.
//   REFERENCE_DIR=… REFERENCE_PYTHON=… REPS=3 SECONDS=6 [RESULTS=file] node bench/side-by-side.mjs [row …]
import { writeFileSync } from 'node:fs';
import { report } from './side/report.mjs';
import { SECONDS, WARM_UP_S, rows } from './side/rows.mjs';
import { startReference, startVivavoce } from './side/stacks.mjs';
import { missingReference } from './side/tools.mjs';

const REPS = Number(process.env.REPS ?? 3);
const starters = { vivavoce: startVivavoce, reference: startReference };

async function once(row, side) {
  const stack = await starters[side](row.options);
  try {
    if (row.worker) await stack.work(1);
    return await row.run(stack);
  } finally {
    await stack.stop();
  }
}

const missing = missingReference();
if (missing) console.error(missing);
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(rows, name));
if (unknown.length > 0)
  throw new Error(`No such row: ${unknown.join(', ')}; there are ${Object.keys(rows).join(', ')}`);
const names = (asked.length > 0 ? asked : Object.keys(rows)).filter((name) => !missing || rows[name].alone);
const results = {};
for (const name of names) {
  const row = rows[name];
  results[name] = Object.fromEntries(row.sides.map((side) => [side, []]));
  for (let rep = 0; rep < REPS; rep++) {
    for (const side of row.sides) {
      const result = await once(row, side);
      results[name][side].push(result);
      console.log(name, side, JSON.stringify(result));
      if (result.failed > 0) throw new Error(`${name}: ${result.failed} requests of ${side} failed`);
    }
  }
}
const command = `REFERENCE_DIR=… REFERENCE_PYTHON=… REPS=${REPS} SECONDS=${SECONDS} WARM_UP_S=${WARM_UP_S} ${['node bench/side-by-side.mjs', ...asked].join(' ')}`;
const text = report(results, { reps: REPS, seconds: SECONDS, command });
console.log(text);
if (process.env.RESULTS) writeFileSync(process.env.RESULTS, text);
