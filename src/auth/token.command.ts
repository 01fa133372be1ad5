import { SignJWT } from 'jose';
import { parseArgs } from 'node:util';
import { AppError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { JwtKeys } from './jwt-keys.js';

const UNITS_S: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };
const DEFAULT_LIFETIME = '12h';

export const TOKEN_USAGE = `vivavoce token --user <id> [--role <role>]... [--expires ${DEFAULT_LIFETIME}]`;

/**
 * Signs a token (HS256) with the configured secret, or the one in the data folder.
 *
 * @param args after `token` on the command line
 * @returns the token
 * @throws AppError `bad_request` with a sentence for the person at the terminal
 */
export async function tokenCommand(args: string[], config: Config): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      user: { type: 'string' },
      role: { type: 'string', multiple: true, default: [] },
      expires: { type: 'string', default: DEFAULT_LIFETIME },
    },
  });
  if (!values.user?.trim()) throw new AppError('bad_request', 'usage', `--user is missing\nusage: ${TOKEN_USAGE}`);
  const { secret } = await JwtKeys.load(config);
  if (!secret) {
    const message = 'Tokens are signed elsewhere: JWT_JWKS_URL is set and JWT_SECRET is not';
    throw new AppError('bad_request', 'no_secret', message);
  }
  const now = Math.floor(Date.now() / 1000);
  const claims = values.role.length > 0 ? { roles: values.role } : {};
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(values.user)
    .setIssuedAt(now)
    .setExpirationTime(now + seconds(values.expires));
  if (config.JWT_ISSUER !== null) token.setIssuer(config.JWT_ISSUER);
  if (config.JWT_AUDIENCE !== null) token.setAudience(config.JWT_AUDIENCE);
  return token.sign(secret);
}

function seconds(duration: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(duration) ?? [];
  const factor = UNITS_S[unit ?? ''];
  if (factor === undefined || Number(count) === 0) {
    throw new AppError('bad_request', 'usage', '--expires is a number with s, m, h or d, such as 12h');
  }
  return Number(count) * factor;
}
