import { finished } from 'node:stream';
import type { Readable } from 'node:stream';

/**
 * A stream's bytes in the pieces that they came in. Its own iterator joins all that is there by copying it, and copies of that
 * size are costly garbage. Ending early leaves the stream paused, not destroyed.
 *
 * @throws what the stream fails with
 */
export async function* piecesOf(stream: Readable): AsyncGenerator<Buffer> {
  const pieces: Buffer[] = [];
  let wake = (): void => undefined;
  let fault: Error | null = null;
  let isOver = false;
  const onData = (piece: Buffer) => {
    pieces.push(piece);
    stream.pause();
    wake();
  };
  const forget = finished(stream, { writable: false }, (error) => {
    fault = error ?? null;
    isOver = true;
    wake();
  });
  stream.on('data', onData);
  try {
    for (;;) {
      const piece = pieces.shift();
      if (piece) yield piece;
      else if (isOver) break;
      else {
        const more = new Promise<void>((resolve) => (wake = resolve));
        stream.resume();
        await more;
      }
    }
    if (fault) throw fault as Error;
  } finally {
    stream.off('data', onData).pause();
    forget();
  }
}
