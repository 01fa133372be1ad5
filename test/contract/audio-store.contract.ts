import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { AudioStore } from '../../src/storage/audio-store.js';

export interface AudioStoreContract {
  /** A store with nothing else in it. */
  make(): Promise<AudioStore>;
  close(): Promise<void>;
}

const MIB = 2 ** 20;
const FILE = { filename: 's_q1', contentType: 'audio/webm', metadata: { session_id: 's', status: 'queued' } };
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const UNKNOWN = '0123456789abcdef01234567';

/** Stores bytes in pieces of the sizes given, over and over. */
export async function put(store: AudioStore, bytes: Buffer, pieces = [64 * 1024], id?: string): Promise<string> {
  const sink = store.create(id);
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const size = pieces[i % pieces.length]!;
    await sink.write(bytes.subarray(offset, offset + size));
    offset += size;
  }
  await sink.finish(FILE);
  return sink.id;
}

async function listed(store: AudioStore, cutoff: Date, under?: string): Promise<string[]> {
  const ids = [];
  for await (const file of store.listOlderThan(cutoff, under)) ids.push(file.id);
  return ids;
}

const later = () => new Date(Date.now() + 60_000);

/** What every `AudioStore` promises. */
export function audioStoreContract(name: string, contract: AudioStoreContract): void {
  describe(`${name}: the contract of audio stores`, () => {
    let store: AudioStore;
    beforeAll(async () => {
      store = await contract.make();
    });
    afterAll(() => contract.close());

    it('says when it can take bytes', async () => {
      await expect(store.check()).resolves.toBeUndefined();
    });

    it.each([
      ['one byte', 1, [1]],
      ['a small file', 56_151, [16_384]],
      ['exactly a mebibyte', MIB, [65_536]],
      ['a mebibyte and a byte', MIB + 1, [65_536]],
      ['several mebibytes in pieces of odd sizes', 5 * MIB + 12_345, [1, 65_535, 7, 1_048_575, 300_001, 4097]],
      ['pieces larger than a stored chunk', 7 * MIB + 1, [3 * MIB + 5]],
      ['one piece of everything', 4 * MIB, [4 * MIB]],
    ])('gives back what it took, byte for byte: %s', async (_what, size, pieces) => {
      const bytes = randomBytes(size);
      const id = await put(store, bytes, pieces);
      const back = await buffer(store.open(id));
      expect(back.length).toBe(size);
      expect(digest(back)).toBe(digest(bytes));
      expect((await store.stat(id))?.size).toBe(size);
    });

    it('keeps what it took although the caller uses its buffers again', async () => {
      const sink = store.create();
      const reused = Buffer.alloc(64 * 1024);
      const taken = createHash('sha256');
      for (let i = 0; i < 40; i++) {
        reused.fill(i);
        taken.update(reused);
        // A socket's buffers are each their own; what the store holds on to must be a piece of such a one.
        await sink.write(Buffer.from(reused));
      }
      await sink.finish(FILE);
      expect(digest(await buffer(store.open(sink.id)))).toBe(taken.digest('hex'));
    });

    it('takes the id that the caller has recorded, or makes one', async () => {
      expect(await put(store, Buffer.from('a'), [1], 'abcdefabcdefabcdefabcdef')).toBe('abcdefabcdefabcdefabcdef');
      expect(await put(store, Buffer.from('a'))).toMatch(/^[0-9a-f]{24}$/);
    });

    it('gives any range of a file, and no more than there is', async () => {
      const bytes = randomBytes(3 * MIB + 100);
      const id = await put(store, bytes);
      const ranges = [
        [0, 1],
        [0, bytes.length],
        [MIB - 1, MIB + 1],
        [MIB, 2 * MIB],
        [MIB + 5, 3 * MIB + 50],
        [bytes.length - 1, bytes.length],
        [bytes.length - 10, bytes.length + 1000],
        [5, 5],
        [bytes.length, bytes.length + 1],
      ] as const;
      for (const [start, end] of ranges) {
        const part = await buffer(store.open(id, { start, end }));
        expect([start, end, digest(part)]).toEqual([start, end, digest(bytes.subarray(start, end))]);
      }
    });

    it('shows nothing of a file before it is finished', async () => {
      const sink = store.create();
      await sink.write(randomBytes(3 * MIB));
      expect(await store.stat(sink.id)).toBeNull();
      expect(await listed(store, later())).not.toContain(sink.id);
      await expect(buffer(store.open(sink.id))).rejects.toThrow(/not found/);
      await sink.finish(FILE);
      expect(await store.stat(sink.id)).toMatchObject({ size: 3 * MIB });
    });

    it('tells size, time and metadata, and sets fields of the metadata without losing others', async () => {
      const before = Date.now();
      const id = await put(store, Buffer.from('abc'));
      const stat = await store.stat(id);
      expect(stat).toMatchObject({
        id,
        size: 3,
        metadata: { session_id: 's', status: 'queued', content_type: 'audio/webm' },
      });
      expect(stat!.uploadedAt.getTime()).toBeGreaterThanOrEqual(before - 1000);
      expect(await store.annotate(id, { status: 'processing', attempt: 1 })).toBe(true);
      expect((await store.stat(id))?.metadata).toMatchObject({ session_id: 's', status: 'processing', attempt: 1 });
    });

    it('knows nothing of a file that is not there', async () => {
      expect(await store.stat(UNKNOWN)).toBeNull();
      expect(await store.annotate(UNKNOWN, { status: 'x' })).toBe(false);
      expect(await store.delete(UNKNOWN)).toBe(false);
      await expect(buffer(store.open(UNKNOWN))).rejects.toThrow(/not found/);
    });

    it('deletes once, and may be asked again', async () => {
      const id = await put(store, randomBytes(2 * MIB));
      expect(await store.delete(id)).toBe(true);
      expect(await store.delete(id)).toBe(false);
      expect(await store.stat(id)).toBeNull();
      await expect(buffer(store.open(id))).rejects.toThrow(/not found/);
    });

    it('forgets an aborted file, at any time and as often as asked', async () => {
      const untouched = store.create();
      await untouched.abort();
      const begun = store.create();
      await begun.write(randomBytes(5 * MIB));
      await begun.abort();
      await begun.abort();
      const finished = store.create();
      await finished.write(randomBytes(100));
      await finished.finish(FILE);
      await finished.abort();
      for (const { id } of [untouched, begun, finished]) expect(await store.stat(id)).toBeNull();
    });

    it('takes bytes at once, and makes a file of them once it may', async () => {
      let mayNow!: () => void;
      const sink = store.create(undefined, { after: new Promise<void>((resolve) => (mayNow = resolve)) });
      await sink.write(randomBytes(1000));
      const finishing = sink.finish(FILE);
      expect(await store.stat(sink.id)).toBeNull();
      mayNow();
      await finishing;
      expect(await store.stat(sink.id)).toMatchObject({ size: 1000 });
    });

    it('makes no file where it may not, and fails with the reason', async () => {
      const refusal = Promise.reject(new Error('No record of it'));
      refusal.catch(() => undefined);
      const sink = store.create(undefined, { after: refusal });
      const write = async () => {
        await sink.write(randomBytes(1000));
        await sink.finish(FILE);
      };
      await expect(write()).rejects.toThrow('No record of it');
      await sink.abort();
      expect(await store.stat(sink.id)).toBeNull();
    });

    it('takes nothing more for a file that was aborted', async () => {
      const sink = store.create();
      await sink.write(randomBytes(100));
      await sink.abort();
      await expect(sink.finish(FILE)).rejects.toThrow();
      expect(await store.stat(sink.id)).toBeNull();
    });

    it('lists every file that is older than a time, the oldest first', async () => {
      const first = await put(store, Buffer.from('1'));
      const second = await put(store, Buffer.from('2'));
      const cutoff = new Date((await store.stat(second))!.uploadedAt.getTime() + 1);
      const found = await listed(store, cutoff);
      expect(found.indexOf(first)).toBeGreaterThanOrEqual(0);
      expect(found.indexOf(second)).toBeGreaterThanOrEqual(found.indexOf(first));
      expect(await listed(store, new Date((await store.stat(first))!.uploadedAt))).not.toContain(first);
    });

    it('lists only files whose id starts as asked', async () => {
      const [ours, others] = ['0a11ce000000000000000001', '0b0b00000000000000000001'];
      for (const id of [ours, others]) await put(store, Buffer.from('1'), [1], id);
      expect(await listed(store, later(), '0a11ce')).toEqual([ours]);
    });

    it('lets a reader leave in the middle', async () => {
      const id = await put(store, randomBytes(6 * MIB));
      let seen = 0;
      for await (const chunk of store.open(id) as AsyncIterable<Buffer>) {
        seen += chunk.length;
        break;
      }
      expect(seen).toBeLessThan(6 * MIB);
      expect(await store.delete(id)).toBe(true);
    });
  });
}
