import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { AppError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { loadOrCreateSecret } from './jwt-secret.file.js';

const JWKS_TIMEOUT_MS = 3000;
/** A token with an unknown key id makes the keys be read again, at most so often: that is how a rotation is noticed. */
const JWKS_COOLDOWN_MS = 5000;
const JWKS_MAX_AGE_MS = 10 * 60 * 1000;

/** The keys that tokens are checked with. Injectable by its class. */
export class JwtKeys {
  constructor(
    /** Key of HS256; null where only a JWKS is configured. */
    readonly secret: Uint8Array | null,
    /** Keys of RS256 and ES256; null where no JWKS is configured. */
    readonly remote: JWTVerifyGetKey | null,
  ) {}

  /** Reads the keys that the configuration names. With none, outside production, a secret is kept in the data folder. */
  static async load(config: Config): Promise<JwtKeys> {
    const remote = config.JWT_JWKS_URL === null ? null : remoteKeys(new URL(config.JWT_JWKS_URL));
    let secret = config.JWT_SECRET;
    if (secret === null && remote === null) secret = await loadOrCreateSecret(config.DATA_DIR);
    return new JwtKeys(secret === null ? null : new TextEncoder().encode(secret), remote);
  }
}

/** Keys from a JWKS endpoint. That it cannot be read is `unavailable`: the caller's token may well be good. */
function remoteKeys(url: URL): JWTVerifyGetKey {
  const find = createRemoteJWKSet(url, {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    cacheMaxAge: JWKS_MAX_AGE_MS,
  });
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (error) {
      const noSuchKey =
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported;
      if (noSuchKey) throw error;
      const message = 'The keys that sign-in needs cannot be read at the moment';
      throw new AppError('unavailable', 'jwks_unavailable', message, { retryable: true, cause: error });
    }
  };
}
