import { Readable } from 'node:stream';
import { mongo } from 'mongoose';
import type { StageJob } from '../queue/queues.js';
import type { AudioStore } from '../storage/audio-store.js';
import type { Upload } from '../uploads/upload.schema.js';
import { AudioAhead } from './audio-ahead.js';
import type { Bytes, TranscriptCache } from './transcript-cache.js';

const rowOf = (changed: Partial<Upload> = {}) =>
  ({
    user_id: 'alice',
    sha256: 'ab',
    file_id: new mongo.ObjectId(),
    audio_state: 'stored',
    size: 1000,
    ...changed,
  }) as Upload;

function stand(row: Upload, job: Partial<StageJob> = {}) {
  const opened: { id: string; stream: Readable }[] = [];
  const store = {
    open: (id: string) => {
      const stream = Readable.from([Buffer.from(id)], { objectMode: false });
      opened.push({ id, stream });
      return stream;
    },
  };
  const asked: string[] = [];
  const withSameBytes = ({ user_id, sha256 }: Bytes) => {
    asked.push(`${user_id} ${sha256}`);
    return Promise.resolve([]);
  };
  const find = async (row: Upload, _engine: string, same = withSameBytes(row)) => {
    await same;
    return null;
  };
  const cache = { withSameBytes, find };
  const ahead = new AudioAhead(store as unknown as AudioStore, cache as unknown as TranscriptCache, 'engine', {
    upload_id: '',
    correlation_id: null,
    ...job,
  });
  const ids = () => opened.map(({ id }) => id);
  return { ahead, opened, ids, asked, id: row.file_id?.toHexString() ?? '' };
}

const named = ({ user_id, sha256 = '', file_id, size = 0 }: Upload) => ({
  audio: { user_id, sha256, file_id: file_id!.toHexString(), size },
});

describe('audio that is read ahead', () => {
  it('is read and looked up as soon as its job names it, and once', () => {
    const row = rowOf();
    const { ahead, opened, ids, asked, id } = stand(row, named(row));
    expect([ids(), asked]).toEqual([[id], ['alice ab']]);
    ahead.begin(row);
    expect(ahead.open(row)).toBe(opened[0]!.stream);
    expect([ids(), asked]).toEqual([[id], ['alice ab']]);
  });

  it('is read when its row is known, of a job that does not name it', () => {
    const row = rowOf();
    const { ahead, opened, ids, asked, id } = stand(row);
    expect([ids(), asked]).toEqual([[], []]);
    ahead.begin(row);
    expect([ids(), asked]).toEqual([[id], ['alice ab']]);
    expect(ahead.open(row)).toBe(opened[0]!.stream);
  });

  it('is read from its start by who asks again', () => {
    const row = rowOf();
    const { ahead, opened, ids, id } = stand(row, named(row));
    ahead.begin(row);
    ahead.open(row);
    expect(ahead.open(row)).toBe(opened[1]!.stream);
    expect(ids()).toEqual([id, id]);
  });

  it('is the row’s, whatever its job names', () => {
    const row = rowOf();
    const { ahead, opened, asked, id } = stand(row, named(rowOf({ user_id: 'bob' })));
    ahead.begin(row);
    expect(opened[1]).toMatchObject({ id, stream: ahead.open(row) });
    expect(asked.at(-1)).toBe('alice ab');
  });

  it('is left until its turn where it is large', () => {
    const row = rowOf({ size: 2 ** 20 + 1 });
    const { ahead, ids, id } = stand(row, named(row));
    ahead.begin(row);
    expect(ids()).toEqual([]);
    ahead.open(row);
    expect(ids()).toEqual([id]);
  });

  it('is neither read nor looked up where it is gone', () => {
    const { ahead, ids, asked } = stand(rowOf());
    ahead.begin(rowOf({ audio_state: 'deleted' }));
    expect([ids(), asked]).toEqual([[], []]);
  });

  it('is let go of when it is not wanted', () => {
    const row = rowOf();
    const { ahead, opened } = stand(row, named(rowOf()));
    ahead.begin(row);
    ahead.close();
    expect(opened.map(({ stream }) => stream.destroyed)).toEqual([true, true]);
  });
});
