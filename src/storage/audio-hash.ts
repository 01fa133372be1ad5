import { createHash } from 'node:crypto';
import type { AudioStore } from './audio-store.js';

/**
 * @param onBytes told of each piece that was read; what it throws ends the reading
 * @returns the SHA-256 of stored bytes, lower-case hex; null where they are not there to their end, or are not those that were stored
 */
export async function hashOf(store: AudioStore, id: string, onBytes: (count: number) => void): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const bytes of store.open(id) as AsyncIterable<Buffer>) {
      onBytes(bytes.length);
      hash.update(bytes);
    }
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    // The SDK of S3 compares checksums too.
    if (code === 'not_found' || /checksum mismatch/i.test(message)) return null;
    throw error;
  }
  return hash.digest('hex');
}
