import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { recoverCommand } from '../../src/recovery/recovery.commands.js';
import { Sweeper } from '../../src/sweep/sweeper.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { AudioKeeper } from '../../src/uploads/audio.keeper.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, type Json, eventually, fresh } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

let running: ServiceWithEngine;
let alice: Caller;
let admin: Caller;

beforeAll(async () => {
  running = await startWithEngine();
  alice = await running.service.user('alice');
  admin = await running.service.user('root', 'admin');
});
afterAll(() => running.stop());

const collection = (name: string) => running.service.db.collection(name);
const keptOf = (sha256: string): Promise<Json> => collection('kept_audio').findOne({ sha256 });
const archivedFiles = (sha256: string) => collection('archive.files').countDocuments({ 'metadata.sha256': sha256 });
const recover = async (...args: string[]): Promise<Json> =>
  JSON.parse(await recoverCommand(args, (use) => use(running.service.service.app)));

async function archived(question: string, bytes = fresh('answer-0880.webm'), session = 's'): Promise<Json> {
  if ((await alice.get(`/api/sessions/${session}`)).status === 404)
    await alice.session([], { id: session, retain_audio: true });
  const { body } = await alice.upload(session, question, bytes);
  await eventually(async () => {
    const { body: upload } = await alice.get(`/api/uploads/${body.upload_id}`);
    expect(upload).toMatchObject({ audio: 'archived', status: 'completed' });
    // The staged copy goes a moment later: until then there are two.
    const row = await collection('uploads').findOne({ _id: new mongo.ObjectId(body.upload_id as string) });
    expect(row).toMatchObject({ audio_state: 'deleted' });
  });
  return body;
}

describe('kept audio that no row refers to', () => {
  it('is found by verify, and deleted by recovery only after QUARANTINE_HOURS', async () => {
    const { upload_id, sha256 } = await archived('q1');
    await collection('uploads').deleteOne({ _id: new mongo.ObjectId(upload_id as string) });
    const { _id, key } = await keptOf(sha256);
    await collection('kept_audio').updateOne({ _id }, { $set: { updated_at: longAgo() } });

    const { files_without_records: found, plan_id } = (await admin.get('/api/admin/content/verify')).body;
    expect(found).toMatchObject([{ store: 'archive', file_id: key, reason: 'no_row', upload_id }]);
    const { body: repaired } = await admin.post('/api/admin/content/repair', { plan_id });
    expect(repaired.results).toMatchObject([{ file_id: key, action: 'left' }]);

    expect((await recover('--dry-run')).bytes.quarantined).toBe(1);
    expect((await keptOf(sha256)).unwanted_since).toBeUndefined();
    expect((await recover()).bytes).toMatchObject({ quarantined: 1, deleted: 0 });
    expect((await recover()).bytes).toMatchObject({ quarantined: 0, deleted: 0 });
    expect(await archivedFiles(sha256)).toBe(1);
    await collection('kept_audio').updateOne(
      { _id },
      { $set: { unwanted_since: new Date(Date.now() - 73 * 3_600_000) } },
    );
    expect((await recover()).bytes).toMatchObject({ quarantined: 0, deleted: 1 });
    expect([await keptOf(sha256), await archivedFiles(sha256)]).toEqual([null, 0]);
  });

  it('is released when the same bytes come again, however long it was unwanted', async () => {
    const bytes = fresh('answer-0880.webm');
    const { upload_id, sha256 } = await archived('q2', bytes);
    await collection('uploads').deleteOne({ _id: new mongo.ObjectId(upload_id as string) });
    const { _id } = await keptOf(sha256);
    const marked = { updated_at: longAgo(), unwanted_since: new Date(Date.now() - 73 * 3_600_000) };
    await collection('kept_audio').updateOne({ _id }, { $set: marked });
    await archived('q3', bytes);
    expect((await recover()).bytes).toMatchObject({ released: 1, deleted: 0 });
    expect(await keptOf(sha256)).toMatchObject({ _id, state: 'live' });
    expect((await keptOf(sha256)).unwanted_since).toBeUndefined();
  });
});

describe('kept audio', () => {
  it('that a dead process had begun to give up stays what it is for who keeps it', async () => {
    const bytes = fresh('answer-0880.webm');
    const [first, second] = [await archived('q4', bytes), await archived('q5', bytes)];
    const { _id, key } = await keptOf(first.sha256);
    const marked = { state: 'deleting', token: 'of-a-dead-process', updated_at: longAgo() };
    await collection('kept_audio').updateOne({ _id }, { $set: marked });
    const row: Json = await collection('uploads').findOne({ _id: new mongo.ObjectId(first.upload_id as string) });
    await running.service.service.app.get(AudioKeeper, { strict: false }).release(row);
    expect(await keptOf(first.sha256)).toMatchObject({ _id, key, state: 'live', token: null });
    const { status } = await alice.get(`/api/uploads/${second.upload_id}/audio`);
    expect(status).toBe(200);
  });

  it('of which nothing is written yet, and that a process marked as it died, is there again for who waits for it', async () => {
    const { upload_id, sha256 } = await archived('q6');
    const { _id } = await keptOf(sha256);
    await collection('uploads').updateOne(
      { _id: new mongo.ObjectId(upload_id as string) },
      { $set: { kept_state: 'linking' } },
    );
    const marked = { state: 'deleting', key: null, token: 'of-a-dead-process', updated_at: longAgo() };
    await collection('kept_audio').updateOne({ _id }, { $set: marked });
    const keeper = running.service.service.app.get(AudioKeeper, { strict: false });
    await keeper.collectUnlinked(false, new AbortController().signal);
    // The service's own sweep may have been at it first.
    await eventually(async () => expect(await keptOf(sha256)).toMatchObject({ _id, state: 'storing', token: null }));
  });

  it('that no row wants, and that a process marked as it died, is deleted by the sweep', async () => {
    const { upload_id, sha256 } = await archived('q7');
    await collection('uploads').deleteOne({ _id: new mongo.ObjectId(upload_id as string) });
    const marked = { state: 'deleting', token: 'of-a-dead-process', updated_at: longAgo() };
    await collection('kept_audio').updateOne({ sha256 }, { $set: marked });
    await running.service.service.app.get(Sweeper, { strict: false }).sweep();
    expect([await keptOf(sha256), await archivedFiles(sha256)]).toEqual([null, 0]);
  });

  it('that the sweep gives up while its session is erased counts as erased', async () => {
    const { upload_id, sha256 } = await archived('q1', undefined, 'swept');
    const { _id, key } = await keptOf(sha256);
    const marked = { state: 'deleting', token: 'of-the-sweep', updated_at: new Date() };
    await collection('kept_audio').updateOne({ _id }, { $set: marked });
    const erasing = alice.delete('/api/sessions/swept');
    await eventually(async () => {
      const row = await collection('uploads').findOne({ _id: new mongo.ObjectId(upload_id as string) });
      expect(row).toMatchObject({ kept_state: 'releasing' });
    });
    await collection('archive.chunks').deleteMany({ files_id: new mongo.ObjectId(key as string) });
    await collection('archive.files').deleteOne({ _id: new mongo.ObjectId(key as string) });
    await collection('kept_audio').deleteOne({ _id });
    expect((await erasing).body).toMatchObject({ answers: 1, audio_files: 1 });
  });

  it('that is archived while its session is erased goes with it', async () => {
    const { upload_id, sha256 } = await archived('q1', undefined, 'erased');
    const { _id, kept_id }: Json = await collection('uploads').findOne({
      _id: new mongo.ObjectId(upload_id as string),
    });
    // As before it was archived; the reference comes between the eraser's look and its deletion of the row.
    await collection('uploads').updateOne({ _id }, { $unset: { kept_id: 1, kept_state: 1 } });
    const ledger = running.service.service.app.get(Ledger, { strict: false });
    const attempts = ledger.attempts.deleteMany.bind(ledger.attempts);
    const spy = jest.spyOn(ledger.attempts, 'deleteMany').mockImplementationOnce(async (filter) => {
      await collection('uploads').updateOne({ _id }, { $set: { kept_id, kept_state: 'linking' } });
      return attempts(filter);
    });
    expect((await alice.delete('/api/sessions/erased')).body).toMatchObject({ answers: 1, audio_files: 1 });
    spy.mockRestore();
    expect(await collection('uploads').countDocuments({ _id })).toBe(0);
    expect([await keptOf(sha256), await archivedFiles(sha256)]).toEqual([null, 0]);
  });
});
