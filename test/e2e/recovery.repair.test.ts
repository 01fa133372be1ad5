import { userInfo } from 'node:os';
import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Log } from '../../src/common/logging.js';
import { LostAudio } from '../../src/recovery/lost-audio.js';
import { repairCommand } from '../../src/recovery/recovery.commands.js';
import { type Caller, type Json, type TestService, fresh, startTestService } from '../support/service.js';
import { age, isLinked, longAgo, plantChunks, plantFile } from './recovery.bytes.js';

let service: TestService;
let alice: Caller;
let admin: Caller;

// Without a worker: what is wrong stays wrong until it is repaired.
beforeEach(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '0.3', UPLOAD_TIMEOUT_S: '60' });
  alice = await service.user('alice');
  admin = await service.user('root', 'admin');
});
afterEach(() => service.stop());

const id = (hex: string) => new mongo.ObjectId(hex);
const rows = () => service.db.collection('uploads');
const verify = async (query = ''): Promise<Json> => (await admin.get(`/api/admin/content/verify${query}`)).body;
const repair = (plan_id: string, dry_run?: boolean) => admin.post('/api/admin/content/repair', { plan_id, dry_run });
const all = async (...names: string[]) =>
  JSON.stringify(await Promise.all(names.map((name) => service.db.collection(name).find().sort({ _id: 1 }).toArray())));
const everything = () => all('uploads', 'fs.files', 'fs.chunks', 'quarantine', 'interview_sessions');

async function uploaded(question: string): Promise<Json> {
  if ((await alice.get('/api/sessions/s')).status === 404) await alice.session([], { id: 's' });
  const { body } = await alice.upload('s', question, fresh('reading.webm'));
  await isLinked(service.db, body.upload_id);
  return body;
}

async function alter(fileId: string): Promise<void> {
  const chunks = service.db.collection('fs.chunks');
  const chunk: Json = await chunks.findOne({ files_id: id(fileId) });
  const data = Buffer.from(chunk.data.buffer as Buffer);
  data[1000]! ^= 1;
  await chunks.updateOne({ _id: chunk._id }, { $set: { data: new mongo.Binary(data) } });
}

describe('repair', () => {
  it('is for admins, and for plans that are there', async () => {
    const { plan_id } = await verify();
    const ask = { plan_id };
    expect((await service.nobody().post('/api/admin/content/repair', ask)).status).toBe(401);
    expect((await alice.post('/api/admin/content/repair', ask)).status).toBe(403);
    expect((await admin.post('/api/admin/content/repair', { plan_id: '$where' })).status).toBe(422);
    expect((await admin.post('/api/admin/content/repair', {})).status).toBe(422);
    expect((await admin.post('/api/admin/content/repair', { plan_id, dry_run: 'perhaps' })).status).toBe(422);
    expect((await admin.post('/api/admin/content/repair', { plan_id, dry_run: 'yes' })).body.dry_run).toBe(true);
    const unknown = await repair('0123456789abcdef01234567');
    expect([unknown.status, unknown.body]).toEqual([404, { detail: 'Plan not found' }]);
    await service.db.collection('verify_plans').updateOne({ _id: id(plan_id) }, { $set: { finished_at: null } });
    expect((await repair(plan_id)).status).toBe(409);
  });

  it('does what was found, says so for each, deletes nothing, and finds nothing more to do', async () => {
    const gone = await uploaded('gone');
    const altered = await uploaded('altered');
    const unlinked = await uploaded('unlinked');
    const stuck = await uploaded('stuck');
    for (const { upload_id } of [gone, altered, unlinked]) await age(service.db, upload_id);
    await service.db.collection('fs.files').deleteOne({ _id: id(gone.file_id) });
    await alter(altered.file_id);
    await service.db
      .collection('interview_sessions')
      .updateOne({ session_id: 's' }, { $unset: { 'answers.unlinked': 1 } });
    const lost = { 'stages.transcription.state': 'processing', 'stages.transcription.lease_until': longAgo() };
    await age(service.db, stuck.upload_id, {
      ...lost,
      'stages.transcription.token': 'x',
      'stages.transcription.attempts': 1,
    });
    const planted = await plantFile(service.db, { upload_id: new mongo.ObjectId().toHexString() });
    const loose = await plantChunks(service.db);
    const foreign = await plantFile(service.db, { of: 'others' });

    const found = await verify('?deep=true');
    const expected = [
      ['files_without_records', planted.toHexString(), 'quarantined'],
      ['files_without_records', loose.toHexString(), 'quarantined'],
      ['files_without_records', foreign.toHexString(), 'left'],
      ['records_without_files', gone.upload_id, 'failed'],
      ['hash_mismatches', altered.upload_id, 'failed'],
      ['stuck', stuck.upload_id, 'finished'],
      ['stuck', unlinked.upload_id, 'finished'],
    ];
    const named = ({ results }: Json) =>
      results.map(({ category, file_id, upload_id, action }: Json) => [
        category,
        category === 'files_without_records' ? file_id : upload_id,
        action,
      ]);

    const before = await everything();
    const dry = await repair(found.plan_id, true);
    expect(dry.status).toBe(200);
    expect(named(dry.body).sort()).toEqual([...expected].sort());
    expect(await everything()).toBe(before);

    const { status, body } = await repair(found.plan_id);
    expect(status).toBe(200);
    expect(body).toMatchObject({ plan_id: found.plan_id, dry_run: false });
    expect(named(body).sort()).toEqual([...expected].sort());
    expect(body.counts).toEqual({ quarantined: 2, failed: 2, finished: 2, left: 1, unchanged: 0 });

    expect((await alice.get(`/api/uploads/${gone.upload_id}`)).body.stages[0].error.code).toBe('audio_lost');
    expect((await alice.get(`/api/uploads/${altered.upload_id}`)).body.stages[0].error.code).toBe('audio_altered');
    expect((await alice.get('/api/transcription-status/s/unlinked')).body.status).toBe('queued');
    expect(await rows().findOne({ _id: id(stuck.upload_id) })).toMatchObject({
      stages: { transcription: { state: 'due' } },
    });
    const held: Json[] = await service.db.collection('quarantine').find({ state: 'held' }).toArray();
    expect(held.map(({ _id }) => String(_id)).sort()).toEqual(
      [planted.toHexString(), loose.toHexString(), altered.file_id].sort(),
    );
    for (const file of [planted, foreign, id(altered.file_id)])
      expect(await service.db.collection('fs.files').countDocuments({ _id: file })).toBe(1);

    const again = (await repair(found.plan_id)).body;
    expect(again.counts).toMatchObject({ quarantined: 0, failed: 0 });
    const { body: audit } = await admin.get('/api/admin/audit?action=content.repair');
    expect(audit.items.length).toBe(3);
    expect(audit.items[1]).toMatchObject({
      user_id: 'root',
      target: found.plan_id,
      details: { quarantined: 2, failed: 2 },
    });
    expect((await verify()).stuck).toEqual([]);
  });

  it('can be asked for at a terminal, and is recorded there too', async () => {
    const planted = await plantFile(service.db, { upload_id: new mongo.ObjectId().toHexString() });
    const { plan_id } = await verify();
    const command = async (...args: string[]): Promise<Json> =>
      JSON.parse(await repairCommand(args, (use) => use(service.service.app)));
    expect((await command(plan_id, '--dry-run')).counts.quarantined).toBe(1);
    expect((await command(plan_id)).results).toMatchObject([{ file_id: planted.toHexString(), action: 'quarantined' }]);
    await expect(command()).rejects.toThrow(/which plan/);
    const { body } = await admin.get('/api/admin/audit?action=content.repair');
    expect(body.items).toMatchObject([{ user_id: `cli:${userInfo().username}`, ip: null, target: plan_id }]);
  });

  it('says of what is still stuck that it left it', async () => {
    const { upload_id } = await uploaded('waiting');
    await age(service.db, upload_id, { 'stages.transcription.due_at': longAgo() });
    const { plan_id, stuck } = await verify();
    expect(stuck).toMatchObject([{ upload_id, reason: 'stage_waiting' }]);
    expect((await repair(plan_id, true)).body.results).toMatchObject([{ upload_id, action: 'left' }]);
    const { body } = await repair(plan_id);
    expect(body.counts).toEqual({ quarantined: 0, failed: 0, finished: 0, left: 1, unchanged: 0 });
  });

  it.each([
    ['of this build', {}],
    [
      'of an earlier build',
      { $unset: { 'finding.store': 1 }, $set: { 'finding.file_id': 'answer/alice/s/q1/1.webm' } },
    ],
  ])('by a plan %s says of archived audio whose row has gone since that nothing is wrong', async (_which, change) => {
    const _id = new mongo.ObjectId();
    const kept: Json = { _id, user_id: 'alice', sha256: 'x', state: 'storing', store: 'gridfs', key: null, by: _id };
    await service.db.collection('kept_audio').insertOne({ ...kept, updated_at: new Date() });
    for (const question of ['q1', 'q2']) {
      const { upload_id } = await uploaded(question);
      await rows().updateOne({ _id: id(upload_id) }, { $set: { kept_id: _id, kept_state: 'kept' } });
    }
    const { plan_id, records_without_files } = await verify();
    expect(records_without_files).toMatchObject(Array(2).fill({ store: 'archive', file_id: '' }));
    if (Object.keys(change).length > 0) await service.db.collection('verify_findings').updateMany({}, change);
    expect((await repair(plan_id)).body.counts).toMatchObject({ left: 2, unchanged: 0 });
    await rows().deleteOne({ question_id: 'q1' });
    await rows().updateOne({ question_id: 'q2' }, { $set: { kept_state: 'released' } });
    expect((await repair(plan_id)).body.counts).toMatchObject({ left: 0, unchanged: 2 });
  });

  it('leaves, and names in the log, what fails, and does the rest', async () => {
    const [bad, good] = [await uploaded('bad'), await uploaded('good')];
    for (const { upload_id, file_id } of [bad, good]) {
      await age(service.db, upload_id);
      await service.db.collection('fs.files').deleteOne({ _id: id(file_id) });
    }
    const { plan_id } = await verify();
    const { app } = service.service;
    const lost = app.get(LostAudio, { strict: false });
    const close = lost.close.bind(lost);
    lost.close = (upload, ...how) =>
      upload === bad.upload_id ? Promise.reject(new Error('The session is too large')) : close(upload, ...how);
    const warned = jest.spyOn(app.get(Log, { strict: false }).pino, 'warn');
    const { status, body } = await repair(plan_id);
    expect(status).toBe(200);
    expect(body.counts).toMatchObject({ failed: 1, left: 1 });
    expect(warned).toHaveBeenCalledWith(expect.objectContaining({ upload_id: bad.upload_id }), 'Finding not repaired');
  });

  it('says of a row whose answer shows it by now that this is finished', async () => {
    const { upload_id } = await uploaded('shown');
    await age(service.db, upload_id, { projection_due: 'a-mark-of-a-process-that-died' });
    const { plan_id, stuck } = await verify();
    expect(stuck).toMatchObject([{ upload_id, reason: 'projection_missing' }]);
    expect((await repair(plan_id)).body.results).toMatchObject([{ upload_id, action: 'finished' }]);
  });

  it('is done once for the same Idempotency-Key', async () => {
    await plantFile(service.db, { upload_id: new mongo.ObjectId().toHexString() });
    const { plan_id } = await verify();
    const key = { 'Idempotency-Key': 'repair-1' };
    const ask = (dry_run: boolean) => admin.post('/api/admin/content/repair', { plan_id, dry_run }, key);
    const first = await ask(false);
    expect(first.body.counts.quarantined).toBe(1);
    const second = await ask(false);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.body).toEqual(first.body);
    expect((await ask(true)).status).toBe(409);
    expect((await admin.get('/api/admin/audit?action=content.repair')).body.items).toHaveLength(1);
  });

  it('leaves alone what is right by now', async () => {
    const { upload_id, file_id } = await uploaded('back');
    await age(service.db, upload_id);
    const files = service.db.collection('fs.files');
    const file: Json = await files.findOne({ _id: id(file_id) });
    await files.deleteOne({ _id: id(file_id) });
    const { plan_id, records_without_files } = await verify();
    expect(records_without_files.length).toBe(1);
    await files.insertOne(file);
    const { body } = await repair(plan_id);
    expect(body.counts).toEqual({ quarantined: 0, failed: 0, finished: 0, left: 0, unchanged: 1 });
    expect((await alice.get(`/api/uploads/${upload_id}`)).body.audio).toBe('stored');
  });
});
