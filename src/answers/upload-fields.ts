import type { ValidationIssue } from '../common/app-error.js';
import { ValidationError } from '../common/app-error.js';

/**
 * What the sender says the file's SHA-256 is, against what arrived: form field `sha256` (hex) or header `Repr-Digest`
 * (RFC 9530, of the file, not of the form around it).
 *
 * @returns what is wrong, or null
 */
export function digestIssue(field: unknown, header: string | undefined, actual: string): ValidationIssue | null {
  if (field !== undefined && field !== '') {
    const loc = ['body', 'sha256'];
    if (typeof field !== 'string' || !/^[0-9a-fA-F]{64}$/.test(field))
      return issue(loc, 'must be 64 hexadecimal digits', field);
    if (field.toLowerCase() !== actual) return issue(loc, `the file that arrived has sha256 ${actual}`, field);
  }
  if (header === undefined) return null;
  const loc = ['header', 'repr-digest'];
  const digest = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]+={0,2}):/.exec(header)?.[1];
  // Other algorithms may stand beside it or alone: RFC 9530 lets a recipient ignore what it does not know.
  if (digest === undefined)
    return /(?:^|,)\s*sha-256=/.test(header) ? issue(loc, 'sha-256 must be :base64:', header) : null;
  const claimed = Buffer.from(digest, 'base64').toString('hex');
  return claimed === actual ? null : issue(loc, `the file that arrived has sha256 ${actual}`, header);
}

/** @throws ValidationError unless absent or ISO 639-1 */
export function formLanguage(field: unknown): string | null {
  if (field === undefined || field === '') return null;
  if (typeof field === 'string' && /^[a-z]{2}$/.test(field)) return field;
  throw new ValidationError([
    {
      type: 'string_pattern_mismatch',
      loc: ['body', 'language'],
      msg: "String should match pattern '^[a-z]{2}$'",
      input: field,
      ctx: { pattern: '^[a-z]{2}$' },
    },
  ]);
}

function issue(loc: string[], what: string, input: unknown): ValidationIssue {
  return { type: 'value_error', loc, msg: `Value error, ${what}`, input };
}
