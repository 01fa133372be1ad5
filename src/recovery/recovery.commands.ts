import { access } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Adopter } from './adopter.js';
import type { AdoptionReport } from './adoption-report.js';
import { Recovery } from './recovery.js';
import type { RecoveryReport } from './recovery.js';
import { RepairService } from './repair.service.js';
import type { RepairReport } from './repair.service.js';
import { StrayFiles } from './stray-files.js';
import type { StrayReport } from './stray-files.js';
import { namesByMap, namesByPattern, usage } from './stray-names.js';
import { VerifyService } from './verify.service.js';

export const VERIFY_USAGE = 'vivavoce verify [--deep]';
export const RECOVER_USAGE = `vivavoce recover [--dry-run]
  vivavoce recover --from DIR (--map FILE.csv | --pattern '{session_id}_{question_id}.{ext}') --user ID [--dry-run]`;
export const REPAIR_USAGE = 'vivavoce repair PLAN_ID [--dry-run]';
export const ADOPT_USAGE = 'vivavoce adopt [--dry-run]';

/** Runs something with the services of a process, on its databases. */
export type WithServices = <T>(use: (services: INestApplicationContext) => Promise<T>) => Promise<T>;

/** @returns the report, as JSON */
export async function verifyCommand(args: string[], services: WithServices): Promise<string> {
  const { values } = parseArgs({ args, options: { deep: { type: 'boolean', default: false } } });
  return services(async (app) => json(await app.get(VerifyService, { strict: false }).verify(values.deep)));
}

/**
 * Without `--from`, puts right what is in the databases; with it, uploads the files of a folder.
 *
 * @returns the report, as JSON
 * @throws AppError `usage` with a sentence for the person at the terminal
 */
export async function recoverCommand(args: string[], services: WithServices): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      'dry-run': { type: 'boolean', default: false },
      from: { type: 'string' },
      map: { type: 'string' },
      pattern: { type: 'string' },
      user: { type: 'string' },
    },
  });
  const dryRun = values['dry-run'];
  const { from, map, pattern, user } = values;
  if (from === undefined) {
    if (map !== undefined || pattern !== undefined || user !== undefined)
      throw usage(`--map, --pattern and --user go with --from\nusage: ${RECOVER_USAGE}`);
    return services(async (app) => {
      const work = () => app.get(Recovery, { strict: false }).run(dryRun);
      return json(await audited(app, 'recover', 'ledger', { dry_run: dryRun }, work, recovered));
    });
  }
  if ((map === undefined) === (pattern === undefined))
    throw usage(`--from wants either --map or --pattern\nusage: ${RECOVER_USAGE}`);
  if (user === undefined && map === undefined && !pattern?.includes('{user_id}'))
    throw usage(`--user is missing: whose sessions are these?\nusage: ${RECOVER_USAGE}`);
  await mustBeThere('--from', from);
  if (map !== undefined) await mustBeThere('--map', map);
  const mapped = map === undefined ? null : await namesByMap(map);
  const names = mapped?.names ?? namesByPattern(pattern ?? '');
  const options = { folder: from, names, expected: mapped?.files, userId: user ?? null, dryRun };
  return services(async (app) => {
    const work = () => app.get(StrayFiles, { strict: false }).recover(options);
    return json(await audited(app, 'recover.files', from, { dry_run: dryRun }, work, takenIn));
  });
}

/** @returns the report, as JSON */
export async function adoptCommand(args: string[], services: WithServices): Promise<string> {
  const { values } = parseArgs({ args, options: { 'dry-run': { type: 'boolean', default: false } } });
  const dryRun = values['dry-run'];
  return services(async (app) => {
    const work = () => app.get(Adopter, { strict: false }).run(dryRun);
    return json(await audited(app, 'adopt', 'interview_sessions', { dry_run: dryRun }, work, adopted));
  });
}

/** @returns the report, as JSON */
export async function repairCommand(args: string[], services: WithServices): Promise<string> {
  const options = { 'dry-run': { type: 'boolean', default: false } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [planId] = positionals;
  if (positionals.length !== 1 || !/^[0-9a-fA-F]{24}$/.test(planId ?? ''))
    throw usage(`which plan? \`vivavoce verify\` tells its id\nusage: ${REPAIR_USAGE}`);
  const dryRun = values['dry-run'];
  return services(async (app) => {
    const work = () => app.get(RepairService, { strict: false }).repair(planId!, dryRun);
    const counts = (report: RepairReport) => ({ ...report.counts });
    return json(await audited(app, 'content.repair', planId!, { dry_run: dryRun }, work, counts));
  });
}

/** What people do at a terminal is recorded as what they do by the routes is; a dry run does nothing. */
function audited<T>(
  app: INestApplicationContext,
  action: string,
  target: string,
  details: Record<string, unknown>,
  work: () => Promise<T>,
  outcome: (report: T) => Record<string, unknown>,
): Promise<T> {
  if (details['dry_run'] === true) return work();
  const actor = { user_id: `cli:${userInfo().username}`, ip: null };
  return app.get(Audit, { strict: false }).act(actor, { action, target, details }, work, outcome);
}

function recovered({ swept, more, bytes }: RecoveryReport): Record<string, unknown> {
  const { quarantined, released, deleted, audio_lost } = bytes;
  const done = Object.fromEntries(Object.entries(swept).filter(([, count]) => count > 0));
  return { swept: done, more, quarantined, released, deleted, audio_lost };
}

function takenIn({ files, uploaded, duplicates, ...left }: StrayReport): Record<string, unknown> {
  const [unmatched, refused, missing] = [left.unmatched.length, left.refused.length, left.missing.length];
  return { files, uploaded, duplicates, unmatched, refused, missing };
}

function adopted({ sessions, answers, left_count }: AdoptionReport): Record<string, unknown> {
  return { sessions, answers: { ...answers }, left_count };
}

async function mustBeThere(option: string, path: string): Promise<void> {
  await access(path).catch(() => {
    throw usage(`${option}: ${path} cannot be read`);
  });
}

export const json = (report: unknown): string => JSON.stringify(report, null, 2);
