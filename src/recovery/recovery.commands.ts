import { access } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { Adopter } from './adopter.js';
import { Recovery } from './recovery.js';
import { StrayFiles } from './stray-files.js';
import { namesByMap, namesByPattern, usage } from './stray-names.js';
import { VerifyService } from './verify.service.js';

export const VERIFY_USAGE = 'vivavoce verify [--deep]';
export const RECOVER_USAGE = `vivavoce recover [--dry-run]
  vivavoce recover --from DIR (--map FILE.csv | --pattern '{session_id}_{question_id}.{ext}') --user ID [--dry-run]`;
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
    return services(async (app) => json(await app.get(Recovery, { strict: false }).run(dryRun)));
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
  return services(async (app) => json(await app.get(StrayFiles, { strict: false }).recover(options)));
}

/** @returns the report, as JSON */
export async function adoptCommand(args: string[], services: WithServices): Promise<string> {
  const { values } = parseArgs({ args, options: { 'dry-run': { type: 'boolean', default: false } } });
  return services(async (app) => json(await app.get(Adopter, { strict: false }).run(values['dry-run'])));
}

async function mustBeThere(option: string, path: string): Promise<void> {
  await access(path).catch(() => {
    throw usage(`${option}: ${path} cannot be read`);
  });
}

export const json = (report: unknown): string => JSON.stringify(report, null, 2);
