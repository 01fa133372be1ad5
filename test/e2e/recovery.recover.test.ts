import { mongo } from 'mongoose';
import { recoverCommand, verifyCommand } from '../../src/recovery/recovery.commands.js';
import type { WithServices } from '../../src/recovery/recovery.commands.js';
import { type Caller, type Json, speech, startTestService, type TestService } from '../support/service.js';
import { age, isLinked, longAgo, plantChunks, plantFile } from './recovery.bytes.js';

const WEBM = speech('reading.webm');
const HOUR_MS = 3_600_000;

let service: TestService;
let alice: Caller;
let services: WithServices;

beforeEach(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '0.2', UPLOAD_TIMEOUT_S: '60' });
  alice = await service.user('alice');
  services = (use) => use(service.service.app);
});
afterEach(() => service.stop());

const recover = async (...args: string[]): Promise<Json> => JSON.parse(await recoverCommand(args, services));
const verify = async (): Promise<Json> => JSON.parse(await verifyCommand([], services));
const id = (hex: string) => new mongo.ObjectId(hex);
const rows = () => service.db.collection('uploads');
const files = () => service.db.collection('fs.files');
const quarantine = () => service.db.collection('quarantine');
const orphan = () => plantFile(service.db, { upload_id: new mongo.ObjectId().toHexString() });

async function uploaded(question = 'q1', session = 's'): Promise<Json> {
  if ((await alice.get(`/api/sessions/${session}`)).status === 404) await alice.session([], { id: session });
  const { body } = await alice.upload(session, question, WEBM);
  await isLinked(service.db, body.upload_id);
  return body;
}

async function quarantineIsOver(_id: mongo.ObjectId): Promise<void> {
  await quarantine().updateOne({ _id }, { $set: { until: new Date(Date.now() - 1000) } });
}

describe('recover', () => {
  it('quarantines bytes without rows for QUARANTINE_HOURS, marked, and deletes them only after that', async () => {
    const kept = await uploaded();
    const file = await orphan();
    const loose = await plantChunks(service.db);

    expect((await recover()).bytes).toMatchObject({ quarantined: 2, deleted: 0, released: 0 });
    const entry: Json = await quarantine().findOne({ _id: file });
    expect(entry).toMatchObject({ state: 'held', kind: 'file', reason: 'no_row', size: 300_000 });
    expect(entry.until - entry.since).toBe(72 * HOUR_MS);
    expect(await files().findOne({ _id: file })).toMatchObject({ metadata: { quarantined_until: entry.until } });

    expect((await recover()).bytes).toMatchObject({ quarantined: 0, deleted: 0, released: 0 });
    await quarantineIsOver(file);
    await quarantineIsOver(loose);
    expect((await recover()).bytes).toMatchObject({ quarantined: 0, deleted: 2, released: 0 });
    const left = await files().find().toArray();
    expect(left.map((each) => each._id.toHexString())).toEqual([kept.file_id]);
    expect(await service.db.collection('fs.chunks').countDocuments({ files_id: loose })).toBe(0);
    expect(await quarantine().findOne({ _id: file })).toMatchObject({ state: 'deleted' });
    expect((await verify()).counts.files_without_records).toBe(0);
  });

  it('releases what turns out to be wanted, however long it was held', async () => {
    const { upload_id, file_id } = await uploaded();
    const row: Json = await rows().findOne({ _id: id(upload_id) });
    await rows().deleteOne({ _id: row._id });
    await files().updateOne({ _id: id(file_id) }, { $set: { uploadDate: longAgo() } });
    expect((await recover()).bytes.quarantined).toBe(1);
    await rows().insertOne(row);
    await quarantineIsOver(id(file_id));
    expect((await recover()).bytes).toMatchObject({ released: 1, deleted: 0 });
    expect(await files().findOne({ _id: id(file_id) })).toMatchObject({ metadata: { quarantined_at: null } });
    expect(await verify()).toMatchObject({ files_without_records: [], records_without_files: [] });
  });

  it("never touches another service's files", async () => {
    const foreign = await plantFile(service.db, { session_id: 'old', question_id: 'q1', user_id: 'alice' });
    expect((await recover()).bytes).toMatchObject({ quarantined: 0, not_ours: 1 });
    expect(await files().findOne({ _id: foreign })).not.toHaveProperty('metadata.quarantined_at');
    expect(await quarantine().countDocuments()).toBe(0);
  });

  it('fails rows whose bytes are gone, in words, and the same bytes are then taken as a new answer', async () => {
    const { upload_id, file_id } = await uploaded();
    await age(service.db, upload_id);
    await files().deleteOne({ _id: id(file_id) });
    expect((await recover()).bytes.audio_lost).toBe(1);

    const said = 'The stored audio was lost; please record the answer again';
    const { body } = await alice.get(`/api/uploads/${upload_id}`);
    expect(body).toMatchObject({ status: 'failed', audio: 'deleted' });
    expect(body.stages[0]).toMatchObject({ state: 'failed', error: { code: 'audio_lost', message: said } });
    const status = await alice.get('/api/transcription-status/s/q1');
    expect(status.body).toMatchObject({ status: 'failed', error: said });
    const { body: metrics } = await alice.get('/metrics');
    expect(metrics).toMatch(/vivavoce_failures_total\{stage="transcription",code="audio_lost"\} 1/);

    const again = await uploaded();
    expect(again).toMatchObject({ duplicate: false, transcription_status: 'queued' });
    expect(again.upload_id).not.toBe(upload_id);
  });

  it('does at once what the sweep does, and says how often', async () => {
    const { upload_id } = await uploaded('q1');
    await age(service.db, upload_id, {
      'stages.transcription.state': 'processing',
      'stages.transcription.attempts': 1,
      'stages.transcription.token': 'of-a-worker-that-died',
      'stages.transcription.lease_until': longAgo(),
    });
    expect((await recover()).swept).toMatchObject({ expired_leases: 1 });
    expect(await rows().findOne({ _id: id(upload_id) })).toMatchObject({ stages: { transcription: { state: 'due' } } });
  });

  it('does all of it, however much there is, and says of a count that it may not be all', async () => {
    const old = { kind: 'answer', state: 'failed', audio_state: 'deleted', user_id: 'bob', updated_at: new Date(0) };
    await rows().insertMany(Array.from({ length: 1300 }, () => ({ ...old })));
    expect(await recover('--dry-run')).toMatchObject({ swept: { old_failed_rows: 1000 }, more: true });
    expect(await recover()).toMatchObject({ swept: { old_failed_rows: 1300 }, more: false });
    expect(await rows().countDocuments({ user_id: 'bob' })).toBe(0);
    expect(await recover('--dry-run')).toMatchObject({ swept: { old_failed_rows: 0 }, more: false });
  });

  it('with --dry-run says what it would do, and changes nothing', async () => {
    await orphan();
    const { upload_id, file_id } = await uploaded();
    await age(service.db, upload_id);
    await files().deleteOne({ _id: id(file_id) });
    const late = await uploaded('late');
    await age(service.db, late.upload_id, { audio_state: 'deleting' });
    const state = () => Promise.all(['uploads', 'fs.files', 'quarantine'].map((name) => all(name)));
    const all = (name: string) => service.db.collection(name).find().sort({ _id: 1 }).toArray();

    const before = await state();
    const dry = await recover('--dry-run');
    expect(dry).toMatchObject({ dry_run: true, swept: { audio_deletions: 1 } });
    expect(await state()).toEqual(before);
    const real = await recover();
    expect(real.swept).toMatchObject({ audio_deletions: 1 });
    expect([dry.bytes.quarantined, dry.bytes.audio_lost]).toEqual([real.bytes.quarantined, real.bytes.audio_lost]);
  });
});
