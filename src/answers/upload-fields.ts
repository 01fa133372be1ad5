import type { ValidationIssue } from '../common/app-error.js';
import { ValidationError } from '../common/app-error.js';
import { patternIssue, valueIssue } from '../common/pydantic-words.js';

const SHA256 = /^[0-9a-fA-F]{64}$/;
const LANGUAGE = /^[a-z]{2}$/;

/**
 * What the sender says the file's SHA-256 is, against what arrived: form field `sha256` (hex) or header `Repr-Digest`
 * (RFC 9530, of the file, not of the form around it).
 *
 * @returns what is wrong, or null
 */
export function digestIssue(field: unknown, header: string | undefined, actual: string): ValidationIssue | null {
  if (field !== undefined && field !== '') {
    const loc = ['body', 'sha256'];
    if (typeof field !== 'string' || !SHA256.test(field)) return patternIssue(loc, SHA256, field);
    if (field.toLowerCase() !== actual) return valueIssue(loc, `the file that arrived has sha256 ${actual}`, field);
  }
  if (header === undefined) return null;
  const loc = ['header', 'repr-digest'];
  const members = header.split(',').map((member) => /^\s*([\w*.-]+)=:([A-Za-z0-9+/]*={0,2}):\s*$/.exec(member));
  if (members.some((member) => member === null)) return valueIssue(loc, 'must be a list of algorithm=:base64:', header);
  // The last of a name counts (RFC 8941). Other algorithms may stand beside it or alone: RFC 9530 lets a recipient ignore what it does not know.
  const digest = members.findLast((member) => member?.[1]?.toLowerCase() === 'sha-256')?.[2];
  if (digest === undefined) return null;
  const claimed = Buffer.from(digest, 'base64').toString('hex');
  return claimed === actual ? null : valueIssue(loc, `the file that arrived has sha256 ${actual}`, header);
}

/** @throws ValidationError unless absent or ISO 639-1 */
export function formLanguage(field: unknown): string | null {
  if (field === undefined || field === '') return null;
  if (typeof field === 'string' && LANGUAGE.test(field)) return field;
  throw new ValidationError([patternIssue(['body', 'language'], LANGUAGE, field)]);
}
