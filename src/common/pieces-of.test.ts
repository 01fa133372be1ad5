import { PassThrough } from 'node:stream';
import { setImmediate as nextLoop } from 'node:timers/promises';
import { piecesOf } from './pieces-of.js';

const bytes = (text: string) => Buffer.from(text);

async function all(stream: PassThrough): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of piecesOf(stream)) pieces.push(piece.toString());
  return pieces;
}

describe('the pieces of a stream', () => {
  it('are given as they came, even when several wait', async () => {
    const stream = new PassThrough();
    for (const text of ['a', 'bc', 'def']) stream.write(bytes(text));
    setImmediate(() => stream.end(bytes('g')));
    expect(await all(stream)).toEqual(['a', 'bc', 'def', 'g']);
    expect(await all(new PassThrough().end())).toEqual([]);
  });

  it('are not taken faster than they are used', async () => {
    const stream = new PassThrough({ highWaterMark: 10 });
    const pieces = piecesOf(stream);
    stream.write(bytes('0123456789'));
    expect((await pieces.next()).value?.toString()).toBe('0123456789');
    let room = true;
    for (let written = 0; written < 10 && room; written++) {
      room = stream.write(bytes('0123456789'));
      await nextLoop();
    }
    expect(room).toBe(false);
    expect(stream.isPaused()).toBe(true);
  });

  it('end with what the stream fails with, or says that it was cut off', async () => {
    const broken = new PassThrough();
    broken.write(bytes('a'));
    setImmediate(() => broken.destroy(new Error('cut')));
    await expect(all(broken)).rejects.toThrow('cut');
    const closed = new PassThrough();
    setImmediate(() => closed.destroy());
    await expect(all(closed)).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });

  it('leave the stream as it is for who ends early', async () => {
    const stream = new PassThrough();
    stream.write(bytes('a'));
    for await (const piece of piecesOf(stream)) {
      expect(piece.toString()).toBe('a');
      break;
    }
    expect(stream.destroyed).toBe(false);
    expect(stream.listenerCount('data')).toBe(0);
    stream.end(bytes('b'));
    expect(await all(stream)).toEqual(['b']);
  });
});
