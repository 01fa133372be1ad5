import { Injectable } from '@nestjs/common';
import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { AppError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import { JwtKeys } from './jwt-keys.js';
import type { User } from './user.js';

const LEEWAY_S = 5;
const LONGEST_SUBJECT = 256;
const CACHED_TOKENS = 10_000;
/** How long a token is trusted without checking its signature again: a key that is withdrawn works no longer than this. */
const CACHE_MS = 60_000;

interface Cached {
  user: User;
  until: number;
}

/** Checks JSON Web Tokens. Signatures are costly and status polls frequent, so that the outcome is kept for up to a minute. */
@Injectable()
export class TokenVerifier {
  private readonly cache = new LRUCache<string, Cached>({ max: CACHED_TOKENS });

  constructor(
    private readonly config: Config,
    private readonly keys: JwtKeys,
  ) {}

  /**
   * Returns who the token speaks for, at once if it was checked lately.
   *
   * @throws AppError `unauthenticated`; `unavailable` if the public keys cannot be read (rejection)
   */
  verify(token: string): User | Promise<User> {
    const cached = this.cache.get(token);
    if (cached && cached.until > Date.now()) return cached.user;
    return this.check(token);
  }

  private async check(token: string): Promise<User> {
    try {
      const { payload } = await this.checkSignature(token);
      const user = userOf(payload);
      const expires = payload.exp === undefined ? Infinity : (payload.exp + LEEWAY_S) * 1000;
      this.cache.set(token, { user, until: Math.min(expires, Date.now() + CACHE_MS) });
      return user;
    } catch (error) {
      // Anything else that goes wrong while a token is read is the token's fault; keys that cannot be had are an AppError.
      throw error instanceof AppError ? error : notAuthenticated(error);
    }
  }

  private checkSignature(token: string): Promise<{ payload: JWTPayload }> {
    const { alg } = decodeProtectedHeader(token);
    const { secret, remote } = this.keys;
    const options = {
      clockTolerance: LEEWAY_S,
      issuer: this.config.JWT_ISSUER ?? undefined,
      audience: this.config.JWT_AUDIENCE ?? undefined,
    };
    // Each algorithm has keys of its own kind: a public key can never serve as an HMAC secret.
    if (alg === 'HS256' && secret) return jwtVerify(token, secret, { ...options, algorithms: ['HS256'] });
    if ((alg === 'RS256' || alg === 'ES256') && remote) {
      return jwtVerify(token, remote, { ...options, algorithms: [alg] });
    }
    throw notAuthenticated();
  }
}

/** The one answer to a missing or bad token: it does not say which. */
export function notAuthenticated(cause?: unknown): AppError {
  return new AppError('unauthenticated', 'not_authenticated', 'Not authenticated', { cause });
}

function userOf(payload: JWTPayload): User {
  const { sub, role, roles } = payload as JWTPayload & { role?: unknown; roles?: unknown };
  if (typeof sub !== 'string' || sub.trim() === '' || sub.length > LONGEST_SUBJECT || hasControl(sub)) {
    throw notAuthenticated();
  }
  const named = [role, roles].flat().filter((name): name is string => typeof name === 'string');
  return Object.freeze({ id: sub, roles: Object.freeze([...new Set(named)]) });
}

/** NUL and its like have no place in an id that goes into logs, keys and file metadata. */
function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
