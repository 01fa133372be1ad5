import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { testEngine } from '../support/servers.js';
import { Chaos } from './chaos.js';
import { report, tableOf } from './report.js';

/** Of what is wrong, in the terminal. */
const MOST_SHOWN = 50;
const USAGE = 'usage: npm run faults -- [--seconds 60] [--kills N] [--seed 1] [--users 4] [--write] [--quiet]';

/** Runs the faults for a while, prints the result table, and writes bench/FAULTS.md when asked to. Exit code 1 when anything got lost. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      kills: { type: 'string' },
      seed: { type: 'string', default: '1' },
      users: { type: 'string', default: '4' },
      write: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
    },
  });
  const [seconds, seed, users] = [Number(values.seconds), Number(values.seed), Number(values.users)];
  const kills = Number(values.kills ?? 0);
  if (![seconds, kills, seed, users].every((value) => Number.isFinite(value) && value >= 0)) throw new Error(USAGE);
  const engine = await testEngine();
  const say = values.quiet ? undefined : (line: string) => console.log(line);
  const result = await Chaos.run({
    seconds,
    seed,
    users,
    mongoKeepsData: engine.keepsData,
    ...(kills > 0 ? { kills } : {}),
    ...(say ? { say } : {}),
  });
  const table = tableOf(result);
  console.log(`\n${table}`);
  const { unexpected, lost, doubled, untold, failed, orphans } = result;
  const wrong = Object.entries({ unexpected, lost, doubled, untold, failed, orphans }).flatMap(([what, found]) =>
    found.map((one) => `${what}: ${one}`),
  );
  if (wrong.length > 0) console.log(`\n${wrong.slice(0, MOST_SHOWN).join('\n')}`);
  if (values.write) {
    const machine = `${cpus().length} cores, Node ${process.version}, MongoDB engine ${engine.name}`;
    const asked = `--seconds ${seconds}${kills > 0 ? ` --kills ${kills}` : ''} --seed ${seed} --users ${users}`;
    await writeFile('bench/FAULTS.md', report(table, asked, machine));
  }
  process.exit(wrong.length > 0 ? 1 : 0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
