import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { SessionRepository } from '../../src/sessions/session.repository.js';
import { type Caller, eventually, type Json, speech, startTestService, type TestService } from '../support/service.js';
import { age, isLinked, longAgo, plantChunks, plantFile } from './recovery.bytes.js';

const WEBM = speech('reading.webm');

let service: TestService;
let alice: Caller;
let admin: Caller;

// Without a worker: what is wrong stays wrong, and is only looked at.
beforeEach(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '0.3', UPLOAD_TIMEOUT_S: '60' });
  alice = await service.user('alice');
  admin = await service.user('root', 'admin');
});
afterEach(() => service.stop());

const verify = async (query = ''): Promise<Json> => {
  const { status, body } = await admin.get(`/api/admin/content/verify${query}`);
  expect([status, typeof body.plan_id]).toEqual([200, 'string']);
  return body;
};
const nothing = { files_without_records: [], records_without_files: [], hash_mismatches: [], stuck: [] };
const files = () => service.db.collection('fs.files');
const chunks = () => service.db.collection('fs.chunks');
const id = (hex: string) => new mongo.ObjectId(hex);

async function uploaded(question: string): Promise<Json> {
  if ((await alice.get('/api/sessions/s')).status === 404) await alice.session([], { id: 's' });
  const { body } = await alice.upload('s', question, WEBM);
  await isLinked(service.db, body.upload_id);
  return body;
}

describe('verify', () => {
  it('is for admins', async () => {
    expect((await service.nobody().get('/api/admin/content/verify')).status).toBe(401);
    expect((await alice.get('/api/admin/content/verify')).status).toBe(403);
    expect((await admin.get('/api/admin/content/verify?deep=perhaps')).status).toBe(422);
  });

  it('finds nothing where nothing is wrong, and says how much it looked at', async () => {
    await uploaded('q1');
    await uploaded('q2');
    expect(await verify()).toMatchObject({ ...nothing, checked: { files: 2, records: 2, hashed_bytes: 0 } });
    expect(await verify('?deep=true')).toMatchObject({
      ...nothing,
      checked: { files: 2, records: 2, hashed_bytes: 2 * WEBM.length },
    });
  });

  it('finds bytes that no row wants: files, chunks without a file, files of rows that gave them up', async () => {
    const foreign = await plantFile(service.db, { session_id: 'old', question_id: 'q1' });
    const upload_id = oldHex();
    const orphan = await plantFile(service.db, { upload_id });
    const loose = await plantChunks(service.db);
    const closed = await uploaded('closed');
    await age(service.db, closed.upload_id, { state: 'superseded', audio_state: 'deleted' });
    await files().updateOne({ _id: id(closed.file_id) }, { $set: { uploadDate: longAgo() } });

    const report = await verify();
    const found = report.files_without_records.map((each: Json) => [each.file_id, each.kind, each.reason]);
    expect(found.sort()).toEqual(
      [
        [foreign.toHexString(), 'file', 'not_ours'],
        [orphan.toHexString(), 'file', 'no_row'],
        [loose.toHexString(), 'chunks', 'no_file_document'],
        [closed.file_id, 'file', 'row_closed'],
      ].sort(),
    );
    expect(report.counts).toEqual({
      files_without_records: 4,
      records_without_files: 0,
      hash_mismatches: 0,
      stuck: 0,
    });
    expect(report.files_without_records).toContainEqual({
      category: 'files_without_records',
      store: 'landing',
      file_id: orphan.toHexString(),
      kind: 'file',
      reason: 'no_row',
      upload_id,
      size: 300_000,
      uploaded_at: expect.any(String),
    });
  });

  it('finds rows whose bytes are gone, wholly or in part', async () => {
    const gone = await uploaded('gone');
    await age(service.db, gone.upload_id);
    await files().deleteOne({ _id: id(gone.file_id) });
    await chunks().deleteMany({ files_id: id(gone.file_id) });
    const torn = await uploaded('torn');
    await age(service.db, torn.upload_id);
    await chunks().deleteOne({ files_id: id(torn.file_id) });

    const { records_without_files, files_without_records } = await verify();
    const found = records_without_files.map((each: Json) => [each.upload_id, each.question_id, each.reason]);
    expect(found.sort()).toEqual(
      [
        [gone.upload_id, 'gone', 'no_file'],
        [torn.upload_id, 'torn', 'chunks_missing'],
      ].sort(),
    );
    expect(files_without_records).toEqual([]);
  });

  it('finds changed bytes only when it reads them', async () => {
    const { upload_id, file_id, sha256 } = await uploaded('q1');
    const chunk = await chunks().findOne({ files_id: id(file_id) });
    const bytes = Buffer.from((chunk as Json).data.buffer);
    bytes[100] = bytes[100]! ^ 1;
    await chunks().updateOne({ _id: chunk!._id }, { $set: { data: new mongo.Binary(bytes) } });
    expect(await verify()).toMatchObject(nothing);
    const { hash_mismatches } = await verify('?deep=1');
    expect(hash_mismatches).toEqual([
      {
        category: 'hash_mismatches',
        store: 'landing',
        upload_id,
        file_id,
        expected_sha256: sha256,
        actual_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
    expect(hash_mismatches[0].actual_sha256).not.toBe(sha256);
  });

  it('finds what the sweep should have gone on with', async () => {
    const old = longAgo();
    const set: [string, Record<string, unknown>][] = [
      ['stage_lease_expired', { 'stages.transcription.state': 'processing', 'stages.transcription.lease_until': old }],
      ['stage_waiting', { 'stages.transcription.due_at': old }],
      ['projection_missing', { projection_due: 'a-token' }],
      ['link_missing', { link_due: true, committed_at: old }],
      ['upload_lease_expired', { state: 'uploading', lease_until: old, stages: {} }],
    ];
    const expected: [string, string][] = [];
    for (const [reason, fields] of set) {
      const { upload_id } = await uploaded(reason);
      await age(service.db, upload_id, fields);
      expected.push([upload_id, reason]);
    }
    const { stuck } = await verify();
    expect(stuck.map((each: Json) => [each.upload_id, each.reason]).sort()).toEqual(expected.sort());
  });

  it('finds what is to end and does not: references to kept audio, kept audio, sessions', async () => {
    const { upload_id } = await uploaded('q1');
    await age(service.db, upload_id, { kept_id: new mongo.ObjectId(), kept_state: 'releasing' });
    const by = new mongo.ObjectId();
    const audio = { user_id: 'alice', sha256: 'x', state: 'deleting', store: 'gridfs', key: null, by, size: 1 };
    const at = longAgo();
    await service.db.collection('kept_audio').insertOne({ ...audio, created_at: at, updated_at: new Date(0) });
    await alice.session([], { id: 'erased' });
    const sessions = service.db.collection('interview_sessions');
    await sessions.updateOne({ session_id: 'erased' }, { $set: { erasing_since: at } });

    const { stuck, plan_id } = await verify();
    const since = at.toISOString();
    const ending = { category: 'stuck', stage: null, since };
    expect(stuck).toEqual([
      { ...ending, upload_id, reason: 'kept_audio_not_released', since: expect.any(String) },
      { ...ending, upload_id: by.toHexString(), reason: 'kept_audio_not_deleted' },
      { ...ending, upload_id: null, user_id: 'alice', session_id: 'erased', reason: 'erasure_unfinished' },
    ]);

    const actions = async (dry_run: boolean) =>
      (await admin.post('/api/admin/content/repair', { plan_id, dry_run })).body.results.map(
        (each: Json) => each.action,
      );
    expect(await actions(true)).toEqual(['finished', 'finished', 'finished']);
    expect(await actions(false)).toEqual(['finished', 'finished', 'finished']);
    expect(await sessions.countDocuments({ session_id: 'erased' })).toBe(0);
    expect((await verify()).stuck).toEqual([]);
  });

  it('finds nothing wrong with a session whose erasure takes its time', async () => {
    await uploaded('q1');
    await service.db
      .collection('interview_sessions')
      .updateOne({ session_id: 's' }, { $set: { erasing_since: new Date() } });
    expect((await verify()).stuck).toEqual([]);
  });

  it('finds nothing wrong with a session whose erasure ends while it is looked at', async () => {
    await uploaded('q1');
    const session = { session_id: 's' };
    await service.db.collection('interview_sessions').updateOne(session, { $set: { erasing_since: new Date() } });
    const sessions = service.service.app.get(SessionRepository);
    const isBeingErased = sessions.isBeingErased.bind(sessions);
    let ended = 0;
    jest.spyOn(sessions, 'isBeingErased').mockImplementation(async (...of) => {
      ended += (await service.db.collection('uploads').deleteMany(session)).deletedCount;
      await service.db.collection('interview_sessions').deleteMany(session);
      return isBeingErased(...of);
    });
    expect((await verify()).stuck).toEqual([]);
    expect(ended).toBe(1);
  });

  it('keeps everything it found as a plan', async () => {
    await plantFile(service.db, { upload_id: oldHex() });
    await plantChunks(service.db);
    const { plan_id, files_without_records } = await verify();
    const plan: Json = await service.db.collection('verify_plans').findOne({ _id: id(plan_id) });
    expect(plan).toMatchObject({ finished_at: expect.any(Date), counts: { files_without_records: 2 } });
    const kept: Json[] = await service.db.collection('verify_findings').find({ plan_id: plan._id }).toArray();
    expect(JSON.parse(JSON.stringify(kept.map(({ finding }) => finding)))).toEqual(files_without_records);
  });

  it('finds nothing wrong with uploads, deletions and erasures that are under way', async () => {
    let going = true;
    const busy = async (name: string) => {
      const user = await service.user(name);
      for (let i = 0; going; i++) {
        const session = await user.session();
        await Promise.all([1, 2, 3].map((n) => user.upload(session, `q${n}`, Buffer.concat([WEBM, Buffer.from([n])]))));
        // Another take deletes the first one's file, the erasure deletes rows and files.
        await user.upload(session, 'q1', Buffer.concat([WEBM, Buffer.from(`take ${i}`)]));
        await user.delete(`/api/sessions/${session}`);
      }
    };
    const users = ['bob', 'carol', 'dave'].map(busy);
    const reports: Json[] = [];
    try {
      for (let i = 0; i < 12; i++) reports.push(await verify(i % 2 ? '?deep=true' : ''));
    } finally {
      going = false;
      await Promise.all(users);
    }
    for (const report of reports) expect(report).toMatchObject(nothing);
    expect(Math.max(...reports.map((report) => report.checked.files))).toBeGreaterThan(0);
    await eventually(async () => expect((await verify()).checked.files).toBe(0));
  });
});

const oldHex = () => new mongo.ObjectId().toHexString();
