import { loadConfig } from '../../src/config/config.js';
import { COMMAND_MS, QUICK } from '../support/stand.js';
import { type ChaosResult, SETTINGS } from './chaos.js';

const SHORT = 'What a service does after tens of seconds has to happen many times in a run.';
const WEBHOOK = 'The receiver is on this machine; an event that meets a fault comes within the run.';

/** Why a run has a setting of its own. */
const WHY: Record<string, string> = {
  STAGE_ATTEMPTS:
    'Each attempt may be the one that is killed, and one answer may meet three kills: what is tested is that none is lost, not where patience ends.',
  STAGE_LEASE_S: SHORT,
  UPLOAD_LEASE_S: SHORT,
  STAGE_BACKOFF_S: SHORT,
  SWEEP_INTERVAL_S: SHORT,
  DISPATCH_GRACE_S: SHORT,
  ARCHIVE_TIMEOUT_S: SHORT,
  SHUTDOWN_TIMEOUT_S:
    'A process that is told to stop while what it waits for is away shall not be away for long itself.',
  TRANSCRIPTION_CONCURRENCY: 'Two workers on two cores: a queue that is never empty has more to lose.',
  UPLOADS_PER_MINUTE: 'A user answers several questions a second, and sends again what was refused.',
  OPENAI_MAX_RETRIES: 'What fails is to be tried again by the stage, which is what is tested.',
  WEBHOOK_ALLOW_PRIVATE: WEBHOOK,
  WEBHOOK_TIMEOUT_S: WEBHOOK,
  WEBHOOK_RETRY_S: WEBHOOK,
};

/** What came of a run, in Markdown. */
export function tableOf({ faults, ...result }: ChaosResult): string {
  const rows: [string, string | number][] = [
    ['kills (SIGKILL)', result.kills],
    ['answers acknowledged', result.acknowledged],
    ['refused or cut off, and sent again', result.refused],
    ['answered with neither 200 nor 503', result.unexpected.length],
    ['lost', result.lost.length],
    ['doubled', result.doubled.length],
    ['orphans', result.orphans.length],
    ['stages given up', result.failed.length],
    ['completed without their event', result.untold.length],
    ['from the first fault to the last, in seconds', result.tookS.toFixed(0)],
    ['from the last fault until all was found to be well, in seconds', result.restedAfterS.toFixed(1)],
  ];
  const struck = Object.entries(faults).sort(([a], [b]) => a.localeCompare(b));
  return [
    ...['| result | |', '|---|---:|', ...rows.map(([what, count]) => `| ${what} | ${count} |`), ''],
    ...['| fault | times |', '|---|---:|', ...struck.map(([fault, times]) => `| ${fault} | ${times} |`)],
  ].join('\n');
}

/** The whole of bench/FAULTS.md. */
export function report(table: string, options: string, machine: string): string {
  return `# Faults

Several users answer without a pause, through a balancer to two APIs and two workers, while processes, MongoDB and Redis are killed,
Redis is emptied, processes are paused for longer than their leases, and connections are cut and slowed. Most answers are spoken, some
written; some are given again or anew, some say the same as another; the audio of every third question is kept in the archive. What ends
is started again at once.

Then everything has to come to rest by itself, and this is counted:

- **neither 200 nor 503**: what a user was answered, to answers and to looking at a session. Connections that break are none of these.
- **lost**: acknowledged answers that do not say, in the end, what follows from their bytes.
- **doubled**: uploads whose transcription or scoring was noted as done twice; uploads of which a webhook heard \`answer.completed\` by
  two events (a result and its event are one write, so that this misses none); questions with two answers that count.
- **orphans**: what belongs nowhere, or is not there whole, in ledger, landing zone, archive and sessions, as the suite compares them
  itself, and every finding of \`GET /api/admin/content/verify?deep=true\`.
- **stages given up**: dead letters of any stage. **Completed without their event**: complete answers that the webhook never heard of.

\`npm run faults -- ${options} --write\` on ${machine}:

${table}

## Where it differs from a service as it is delivered

| setting | here | default | why |
|---|---:|---:|---|
${settings().join('\n')}
| \`MONGODB_URI\` | \`socketTimeoutMS=${COMMAND_MS}\` | 300000 | A command that is left without an answer keeps its caller, and a sweep its lock, until then. |
`;
}

function settings(): string[] {
  const defaults: Record<string, unknown> = { ...loadConfig({}) };
  const here: Record<string, string> = { ...QUICK, ...SETTINGS };
  return Object.entries(WHY).map(
    ([name, why]) => `| \`${name}\` | ${here[name]} | ${String(defaults[name])} | ${why} |`,
  );
}
