import { readFile } from 'node:fs/promises';
import { AppError } from '../common/app-error.js';

/** Where a stray file belongs. `user_id` null: to the user named on the command line. */
export interface StrayTarget {
  session_id: string;
  question_id: string;
  user_id: string | null;
}

/** Tells from a file's path, relative to its folder and with `/`, where it may belong; several when its name can be read in several ways. */
export type StrayNames = (path: string) => StrayTarget[];

const FIELDS = ['session_id', 'question_id', 'user_id', 'ext', 'any'];
const MOST_READINGS = 64;

/**
 * Names by a pattern such as `{session_id}_{question_id}.{ext}`; `{user_id}` and `{any}` may stand in it too. With a `/` it is
 * matched against the whole path, else against the file's name.
 *
 * @throws AppError `usage` for an unknown field, or when session or question is not in it
 */
export function namesByPattern(pattern: string): StrayNames {
  const parts = pattern.split(/\{([^{}]*)\}/);
  const fields = parts.filter((_, i) => i % 2 === 1);
  const unknown = fields.find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw usage(`--pattern: {${unknown}} is not one of ${FIELDS.join(', ')}`);
  if (!fields.includes('session_id') || !fields.includes('question_id'))
    throw usage('--pattern must hold {session_id} and {question_id}');
  const whole = pattern.includes('/');
  return (path) => {
    const readings: Record<string, string>[] = [];
    read(whole ? path : (path.split('/').at(-1) ?? path), parts, 0, {}, readings);
    const targets = new Map<string, StrayTarget>();
    for (const { session_id = '', question_id = '', user_id = null } of readings)
      targets.set(JSON.stringify([session_id, question_id, user_id]), { session_id, question_id, user_id });
    return [...targets.values()];
  };
}

/** Every way in which the parts from `at` on, literals and fields in turn, can be read from `text`. */
function read(
  text: string,
  parts: string[],
  at: number,
  found: Record<string, string>,
  readings: Record<string, string>[],
): void {
  const literal = parts[at] ?? '';
  if (readings.length >= MOST_READINGS || !text.startsWith(literal)) return;
  const rest = text.slice(literal.length);
  const field = parts[at + 1];
  if (field === undefined) {
    if (rest === '') readings.push(found);
    return;
  }
  // What stands in a pattern twice must read the same twice.
  const allowed = (field === 'any' ? /^[^/]*/ : field === 'user_id' ? /^[^/]+/ : /^[A-Za-z0-9_-]+/).exec(rest)?.[0];
  if (allowed === undefined) return;
  for (let length = field === 'any' ? 0 : 1; length <= allowed.length; length++) {
    const value = rest.slice(0, length);
    if (field !== 'any' && found[field] !== undefined && found[field] !== value) continue;
    read(rest.slice(length), parts, at + 2, { ...found, [field]: value }, readings);
  }
}

/**
 * Names by a CSV file (RFC 4180, UTF-8) whose first line names its columns: `file`, `session_id`, `question_id`, and `user_id`
 * if there are several users. `file` is the path relative to the folder.
 *
 * @returns also the files that it names
 * @throws AppError `usage` for a missing column or a short line, naming it
 */
export async function namesByMap(csvFile: string): Promise<{ names: StrayNames; files: Set<string> }> {
  const [header = [], ...lines] = csvRows((await readFile(csvFile, 'utf8')).replace(/^\uFEFF/, ''));
  const column = (name: string) => header.findIndex((title) => title.trim().toLowerCase() === name);
  const [file, session, question, user] = ['file', 'session_id', 'question_id', 'user_id'].map(column) as [
    number,
    number,
    number,
    number,
  ];
  if (Math.min(file, session, question) < 0)
    throw usage('--map: the first line must name the columns file, session_id and question_id');
  const targets = new Map<string, StrayTarget[]>();
  lines.forEach((line, i) => {
    if (line.length <= Math.max(file, session, question)) throw usage(`--map: row ${i + 2} is too short`);
    const target = {
      session_id: line[session]!.trim(),
      question_id: line[question]!.trim(),
      user_id: line[user]?.trim() || null,
    };
    const path = line[file]!.trim().replaceAll('\\', '/').replace(/^\.\//, '');
    targets.set(path, [...(targets.get(path) ?? []), target]);
  });
  return { names: (path) => targets.get(path) ?? [], files: new Set(targets.keys()) };
}

/** Fields of each row; empty lines are passed over. */
export function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  while (field.lastIndex < text.length) {
    const [, quoted, plain = '', end] = field.exec(text) ?? [];
    if (end === undefined) throw usage(`--map: row ${rows.length + 1} has a quote where none may be`);
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',' && field.lastIndex < text.length) continue;
    if (end === ',') row.push('');
    if (row.some((value) => value !== '')) rows.push(row);
    row = [];
  }
  return rows;
}

export const usage = (message: string): AppError => new AppError('bad_request', 'usage', message);
