import { mongo } from 'mongoose';
import { recoverCommand } from '../../src/recovery/recovery.commands.js';
import { type Caller, type Json, type TestService, fresh, startTestService } from '../support/service.js';
import { age, isLinked, longAgo, plantFile } from './recovery.bytes.js';

let service: TestService;
let alice: Caller;
let admin: Caller;

beforeEach(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '0.2', UPLOAD_TIMEOUT_S: '60' });
  alice = await service.user('alice');
  admin = await service.user('root', 'admin');
  await alice.session([], { id: 's' });
});
afterEach(() => service.stop());

const id = (hex: string) => new mongo.ObjectId(hex);
const collection = (name: string) => service.db.collection(name);
const held = () => collection('quarantine').countDocuments({ state: 'held' });
const recover = async (): Promise<Json> => JSON.parse(await recoverCommand([], (use) => use(service.service.app)));

describe('the erasure of a session', () => {
  it('takes along altered audio that a repair put into quarantine', async () => {
    const { upload_id, file_id } = (await alice.upload('s', 'q1', fresh('reading.webm'))).body;
    await isLinked(service.db, upload_id);
    await age(service.db, upload_id);
    const { length } = (await collection('fs.files').findOne({ _id: id(file_id) }))!;
    const altered = new mongo.Binary(Buffer.alloc(length as number, 1));
    await collection('fs.chunks').updateOne({ files_id: id(file_id) }, { $set: { data: altered } });
    const { plan_id } = (await admin.get('/api/admin/content/verify?deep=true')).body;
    const { body } = await admin.post('/api/admin/content/repair', { plan_id });
    expect(body.counts).toMatchObject({ failed: 1 });
    expect(await held()).toBe(1);

    const erased = (await alice.delete('/api/sessions/s')).body;
    expect(erased).toMatchObject({ audio_files: 1, audio_bytes: length });
    for (const name of ['fs.files', 'fs.chunks']) expect(await collection(name).countDocuments()).toBe(0);
  });

  it("takes along its bytes in quarantine that have no row any more, and nobody else's", async () => {
    const file = (user_id: string, session_id: string) =>
      plantFile(service.db, { upload_id: new mongo.ObjectId().toHexString(), user_id, session_id });
    const hers = await file('alice', 's');
    const others = [await file('bob', 's'), await file('alice', 'another')];
    expect((await recover()).bytes.quarantined).toBe(3);

    expect((await alice.delete('/api/sessions/s')).status).toBe(200);
    const left = await collection('fs.files').find().toArray();
    expect(left.map(({ _id }) => String(_id)).sort()).toEqual(others.map(String).sort());
    expect(await collection('fs.chunks').countDocuments({ files_id: hers })).toBe(0);
    expect(await collection('quarantine').findOne({ _id: hers })).toMatchObject({ state: 'deleted' });
    expect(await held()).toBe(2);
  });

  it('takes along its kept audio that waits in the archive for the end of its quarantine', async () => {
    const archive = new mongo.GridFSBucket(service.db, { bucketName: 'archive' });
    const kept = async (user_id: string, session_id: string): Promise<string> => {
      const upload = archive.openUploadStream('kept', { metadata: { user_id, session_id } });
      await new Promise((resolve) => upload.end(Buffer.from(`${user_id}/${session_id}`), () => resolve(null)));
      const key = upload.id.toHexString();
      const audio = { user_id, sha256: key, state: 'live', store: 'gridfs', key, token: null, size: 1 };
      await collection('kept_audio').insertOne({ ...audio, by: new mongo.ObjectId(), updated_at: longAgo() });
      return key;
    };
    await kept('alice', 's');
    const others = [await kept('bob', 's'), await kept('alice', 'another')];
    expect((await recover()).bytes.quarantined).toBe(3);

    expect((await alice.delete('/api/sessions/s')).status).toBe(200);
    const left = await collection('archive.files').find().toArray();
    expect(left.map(({ _id }) => String(_id)).sort()).toEqual([...others].sort());
    expect(await collection('kept_audio').countDocuments()).toBe(2);
  });
});
