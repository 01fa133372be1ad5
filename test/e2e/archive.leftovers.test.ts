import { mongo } from 'mongoose';
import { ArchiveWrites } from '../../src/uploads/archive-writes.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, type Json, eventually, fresh } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

let running: ServiceWithEngine;
let alice: Caller;
let admin: Caller;
let writes: ArchiveWrites;

beforeAll(async () => {
  running = await startWithEngine();
  alice = await running.service.user('alice');
  admin = await running.service.user('root', 'admin');
  writes = running.service.service.app.get(ArchiveWrites, { strict: false });
});
afterAll(() => running.stop());

const collection = (name: string) => running.service.db.collection(name);
const recorded = () => collection('archive_writes').find().toArray() as Promise<Json[]>;
const isStored = async (key: string) =>
  (await collection('archive.files').countDocuments({ _id: new mongo.ObjectId(key) })) === 1;

/** What an attempt that dies before its end leaves: bytes under a key that no kept audio names. */
async function leftover(until?: Date): Promise<string> {
  const key = new mongo.ObjectId();
  await writes.begin('gridfs', key.toHexString());
  const uploadDate = longAgo();
  const file = { _id: key, length: 3, chunkSize: 1024, uploadDate, filename: 'x', metadata: {} };
  await collection('archive.chunks').insertOne({ files_id: key, n: 0, data: new mongo.Binary(Buffer.from('abc')) });
  await collection('archive.files').insertOne(file);
  if (until) await collection('archive_writes').updateOne({ key: key.toHexString() }, { $set: { until } });
  return key.toHexString();
}

describe('kept audio that a worker recorded and died before the row referred to it', () => {
  it('goes once the row has ended without it, and stays while a row refers to it, or one may still come', async () => {
    const refers = new mongo.ObjectId();
    const storing = (name: string, more: Json = {}) => ({
      _id: new mongo.ObjectId(),
      user_id: 'alice',
      sha256: name,
      state: 'storing',
      store: 'gridfs',
      key: null,
      by: new mongo.ObjectId(),
      token: null,
      updated_at: longAgo(),
      ...more,
    });
    const kept = [
      storing('left'),
      storing('waiting', { _id: refers }),
      storing('young', { updated_at: new Date(Date.now() + 60_000) }),
    ];
    const row = { state: 'committed', user_id: 'alice', kept_id: refers, kept_state: 'linking', stages: {} };
    await collection('uploads').insertOne(row);
    await collection('kept_audio').insertMany(kept);
    const names = async () =>
      (
        await collection('kept_audio')
          .find({ by: { $in: kept.map(({ by }) => by) } })
          .toArray()
      ).map((each) => each['sha256']);
    await eventually(async () => expect((await names()).sort()).toEqual(['waiting', 'young']));
    await collection('uploads').deleteOne({ kept_id: refers });
    await eventually(async () => expect(await names()).toEqual(['young']));
    await collection('kept_audio').deleteOne({ sha256: 'young' });
  });
});

describe('what an attempt that died left in the archive', () => {
  it('is deleted once the attempt has to be over, and not before: until then it is nobody’s finding', async () => {
    const [dead, alive] = [await leftover(longAgo()), await leftover()];
    await eventually(async () => expect(await isStored(dead)).toBe(false));
    expect(await collection('archive.chunks').countDocuments({ files_id: new mongo.ObjectId(dead) })).toBe(0);
    expect(await isStored(alive)).toBe(true);
    expect((await recorded()).map(({ key }) => key)).toEqual([alive]);
    const { files_without_records } = (await admin.get('/api/admin/content/verify?deep=true')).body;
    expect(files_without_records).toEqual([]);
    await collection('archive_writes').updateOne({ key: alive }, { $set: { until: longAgo() } });
    await eventually(async () => expect([await isStored(alive), await recorded()]).toEqual([false, []]));
  });

  it('is not taken for it where kept audio is, or is to be, under the key', async () => {
    const session = await alice.session([], { retain_audio: true });
    const bytes = fresh('answer-0880.webm');
    const { body } = await alice.upload(session, 'q1', bytes);
    await eventually(async () =>
      expect((await alice.get(`/api/uploads/${body.upload_id}`)).body.audio).toBe('archived'),
    );
    const { key }: Json = await collection('kept_audio').findOne({ sha256: body.sha256 });
    await writes.begin('gridfs', key as string);
    await collection('archive_writes').updateOne({ key }, { $set: { until: longAgo() } });
    await eventually(async () => expect(await recorded()).toEqual([]));
    const response = await fetch(`${alice.url}/api/uploads/${body.upload_id}/audio`, {
      headers: { authorization: alice.authorization },
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);

    // Between two attempts: the next one decides where it goes.
    const between = await leftover();
    const _id = new mongo.ObjectId();
    const storing = { _id, user_id: 'alice', sha256: 'of-another', state: 'storing', store: 'gridfs', key: between };
    await collection('kept_audio').insertOne(storing);
    await collection('archive_writes').updateOne({ key: between }, { $set: { until: longAgo() } });
    await eventually(async () => {
      const [write] = await recorded();
      expect(write?.until.getTime()).toBeGreaterThan(Date.now());
      expect(write?.emptying).toBeUndefined();
    });
    await collection('kept_audio').deleteOne({ _id });
    await collection('archive_writes').updateOne({ key: between }, { $set: { until: longAgo() } });
    await eventually(async () => expect([await isStored(between), await recorded()]).toEqual([false, []]));
  });

  it('is not written over while it is deleted, and a sweep that died at it does not keep it', async () => {
    const key = await leftover();
    await collection('archive_writes').updateOne({ key }, { $set: { emptying: true } });
    await expect(writes.begin('gridfs', key)).rejects.toMatchObject({ code: 'audio_busy', uncounted: true });
    await collection('archive_writes').updateOne({ key }, { $set: { until: longAgo() } });
    await eventually(async () => expect([await isStored(key), await recorded()]).toEqual([false, []]));
    await expect(writes.begin('gridfs', key)).resolves.toBeUndefined();
    writes.over('gridfs', key);
    await eventually(async () => expect(await recorded()).toEqual([]));
  });
});
