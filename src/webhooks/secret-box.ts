import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { PermanentError } from '../common/app-error.js';
import { Config } from '../config/config.js';

const ENCRYPTED = 'aes256gcm:';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Keeps webhook secrets so that they can sign: encrypted with `WEBHOOK_ENCRYPTION_KEY` where there is one, else as they are, in
 * the same database as the audio and transcripts that they announce. The key is one of its own, not made from `JWT_SECRET`:
 * changing the key of tokens is an everyday step, and must not silence every webhook; and with a JWKS there is none.
 */
@Injectable()
export class SecretBox {
  private readonly key: Buffer | null;

  constructor(config: Config) {
    const given = config.WEBHOOK_ENCRYPTION_KEY;
    this.key = given === null ? null : Buffer.from(hkdfSync('sha256', given, '', 'vivavoce webhook secrets', 32));
  }

  /** @param owner what the secret belongs to: it cannot be read as another's */
  close(secret: string, owner: string): string {
    if (!this.key) return secret;
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key, iv).setAAD(Buffer.from(owner));
    const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return ENCRYPTED + Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64');
  }

  /** @throws PermanentError when it was encrypted with another key, or for another owner */
  open(kept: string, owner: string): string {
    if (!kept.startsWith(ENCRYPTED)) return kept;
    try {
      const bytes = Buffer.from(kept.slice(ENCRYPTED.length), 'base64');
      const iv = bytes.subarray(0, IV_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', this.key ?? Buffer.alloc(32), iv, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
    } catch (cause) {
      const message = 'The secret cannot be read: WEBHOOK_ENCRYPTION_KEY is another one now. Rotate the secret.';
      throw new PermanentError('secret_unreadable', message, cause);
    }
  }
}
