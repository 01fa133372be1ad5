import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of audio between two collections: they leave about three times as much garbage, and a collection takes a millisecond or two. */
const EVERY_BYTES = 12 * 2 ** 20;

/**
 * Collects the young generation after every 12 MiB of audio that passes through.
 *
 * Audio leaves garbage outside of V8's heap: what a socket read, what the driver serialized. It is freed with the young objects that name
 * it. V8 up to 12 (Node 22) collects these once enough hangs on them. V8 13 (Node 24) waits until they fill 32 MB themselves, and by
 * then there is so much outside that it marks the whole heap instead, at many times the cost.
 */
export class YoungGarbage {
  private bytes = 0;

  constructor(private readonly collect: () => void = waits() ? collectYoung() : () => undefined) {}

  /** Counts bytes that became garbage. */
  count(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < EVERY_BYTES) return;
    this.bytes = 0;
    this.collect();
  }
}

/** Whether this V8 leaves them for too long. Where it does not, collecting earlier only makes more objects old. */
export function waits(v8: string = process.versions.v8): boolean {
  return Number.parseInt(v8, 10) >= 13;
}

/** V8's own `gc`, which it shows only to contexts made after the flag: no other code sees it. */
export function collectYoung(): () => void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: { type: 'minor' }) => void;
  setFlagsFromString('--no-expose-gc');
  return () => gc({ type: 'minor' });
}
