import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { testEngine } from '../support/servers.js';
import { Chaos, type ChaosResult } from './chaos.js';

const USAGE = 'usage: npm run faults -- [--seconds 60] [--seed 1] [--users 4] [--write] [--quiet]';

/** Runs the faults for a while, prints the result table, and writes bench/FAULTS.md when asked to. Exit code 1 when anything got lost. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      users: { type: 'string', default: '4' },
      write: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
    },
  });
  const [seconds, seed, users] = [Number(values.seconds), Number(values.seed), Number(values.users)];
  if (![seconds, seed, users].every((value) => Number.isFinite(value) && value >= 0)) throw new Error(USAGE);
  const engine = await testEngine();
  const say = values.quiet ? undefined : (line: string) => console.log(line);
  const result = await Chaos.run({
    seconds,
    seed,
    users,
    mongoKeepsData: engine.keepsData,
    ...(say ? { say } : {}),
  });
  const table = tableOf(result);
  console.log(`\n${table}`);
  const wrong = [...result.unexpected, ...result.lost, ...result.doubled, ...result.orphans];
  if (wrong.length > 0) console.log(`\n${wrong.slice(0, 20).join('\n')}`);
  if (values.write) {
    const machine = `${cpus().length} cores, Node ${process.version}, MongoDB engine ${engine.name}`;
    await writeFile('bench/FAULTS.md', report(table, `--seconds ${seconds} --seed ${seed} --users ${users}`, machine));
  }
  process.exit(wrong.length > 0 ? 1 : 0);
}

function tableOf({ faults, ...result }: ChaosResult): string {
  const rows: [string, string | number][] = [
    ['kills (SIGKILL)', result.kills],
    ['uploads acknowledged', result.acknowledged],
    ['uploads refused or cut off, and sent again', result.refused],
    ['answered with neither 200 nor 503', result.unexpected.length],
    ['lost', result.lost.length],
    ['doubled', result.doubled.length],
    ['orphans', result.orphans.length],
    ['from the last fault to rest, in seconds', result.restedAfterS.toFixed(1)],
  ];
  const struck = Object.entries(faults).sort(([a], [b]) => a.localeCompare(b));
  return [
    ...['| result | |', '|---|---:|', ...rows.map(([what, count]) => `| ${what} | ${count} |`), ''],
    ...['| fault | times |', '|---|---:|', ...struck.map(([fault, times]) => `| ${fault} | ${times} |`)],
  ].join('\n');
}

function report(table: string, options: string, machine: string): string {
  return `# Faults

Several users upload without a pause to two APIs and two workers, while processes, MongoDB and Redis are killed, Redis is emptied,
processes are paused for longer than their leases, and connections are cut and slowed. Then every acknowledged answer must have the
transcript that follows from its bytes, once, and no byte or row may be left over.

\`npm run faults -- ${options} --write\` on ${machine}:

${table}
`;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
