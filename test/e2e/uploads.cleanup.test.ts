import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { mongo } from 'mongoose';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { type Caller, eventually, type Json, fresh, type TestService } from '../support/service.js';

const webm = () => fresh('reading.webm');
const ogg = () => fresh('reading.ogg');
const HOUR_MS = 3_600_000;
const TEXT = 'I kept the audio of this answer on purpose, and these are more than twelve words of it.';

let running: ServiceWithEngine;
let service: TestService;
let engine: ServiceWithEngine['engine'];
let alice: Caller;
let admin: Caller;

beforeAll(async () => {
  running = await startWithEngine('all', { TRANSCRIPTION_CONCURRENCY: '1' });
  ({ service, engine } = running);
  alice = await service.user('alice');
  admin = await service.user('root', 'admin');
});
afterAll(() => running.stop());
beforeEach(() => engine.reset());

const cleanup = (query = '') => admin.post(`/api/admin/cleanup${query}`);
const ids = (files: Json[]) => files.map((file) => String(file._id)).sort();
const namesOf = ({ body }: { body: Json }) => body.files.map((file: Json) => [file.file_id, file.reason]);
const isThere = async (fileId: string) =>
  (await service.db.collection('fs.chunks').countDocuments({ files_id: new mongo.ObjectId(fileId) })) > 0;

/** An answer whose transcription failed, so long ago. */
async function failedAnswer(session: string, question: string, hoursAgo: number): Promise<Json> {
  engine.script(invalidFile);
  const bytes = webm();
  const { body } = await alice.upload(session, question, bytes);
  await alice.answer(session, question);
  const _id = new mongo.ObjectId(body.upload_id as string);
  const finished_at = new Date(Date.now() - hoursAgo * HOUR_MS);
  await service.db
    .collection('uploads')
    .updateOne({ _id }, { $set: { 'stages.transcription.finished_at': finished_at } });
  return { ...body, bytes };
}

/** Supersedes an answer, and puts its file back as if the process had died before it was deleted. */
async function supersededLeftover(session: string): Promise<Json> {
  // Of one that was heard, the worker deletes the file too, and maybe the one that is put back.
  engine.script(invalidFile);
  const { body } = await alice.upload(session, 'retaken', ogg());
  await alice.answer(session, 'retaken');
  const _id = new mongo.ObjectId(body.file_id as string);
  const [file, chunks] = await Promise.all([
    service.db.collection('fs.files').findOne({ _id }),
    service.db.collection('fs.chunks').find({ files_id: _id }).toArray(),
  ]);
  await alice.upload(session, 'retaken', webm());
  await eventually(async () => {
    expect((await alice.get(`/api/uploads/${body.upload_id}`)).body).toMatchObject({
      status: 'superseded',
      audio: 'deleted',
    });
  });
  await service.db.collection('fs.chunks').insertMany(chunks);
  await service.db.collection('fs.files').insertOne(file as Json);
  return body;
}

/** A file that another program keeps in the same bucket. */
async function foreignFile(metadata: Record<string, unknown>): Promise<string> {
  const upload = new mongo.GridFSBucket(service.db).openUploadStream('of-another-service', { metadata });
  await pipeline(Readable.from([Buffer.alloc(1000)]), upload);
  return upload.id.toHexString();
}

describe('cleanup', () => {
  it('is for admins, and asks for hours and dry_run as numbers and booleans', async () => {
    expect((await service.nobody().post('/api/admin/cleanup')).status).toBe(401);
    expect((await alice.post('/api/admin/cleanup')).status).toBe(403);
    for (const query of ['?hours=-1', '?hours=x', '?hours=1.5', '?hours=', '?hours=99999999', '?dry_run=maybe']) {
      const { status, body } = await cleanup(query);
      expect([query, status, body.detail[0].loc[0]]).toEqual([query, 422, 'query']);
    }
    expect((await cleanup()).body).toEqual({ deleted_count: 0, freed_bytes: 0, files: [] });
  });

  it('is done once for the same Idempotency-Key', async () => {
    const ask = (hours: number) =>
      admin.post(`/api/admin/cleanup?hours=${hours}`, undefined, { 'Idempotency-Key': 'cleanup-1' });
    expect((await ask(24)).headers.get('idempotency-replayed')).toBeNull();
    expect((await ask(24)).headers.get('idempotency-replayed')).toBe('true');
    expect((await ask(25)).status).toBe(409);
  });

  it('deletes exactly what nothing needs, and says so beforehand when asked to', async () => {
    const session = await alice.session([], { id: 'mixed' });
    const expired = await failedAnswer(session, 'long-failed', 169);
    const failed = await failedAnswer(session, 'just-failed', 167);
    const superseded = await supersededLeftover(session);
    await alice.answer(session, 'retaken');

    const keeping = await alice.session([], { id: 'keeping', retain_audio: true });
    engine.script({ does: 'answer', text: TEXT });
    const kept = (await alice.upload(keeping, 'q1', webm())).body;
    await alice.answer(keeping, 'q1');

    // In the archive by now, where no cleanup looks.
    await eventually(async () => {
      const { body } = await alice.get(`/api/uploads/${kept.upload_id}`);
      expect(body.audio).toBe('archived');
      expect(await isThere(kept.file_id)).toBe(false);
    });

    const seen = engine.requests.length;
    engine.otherwise({ does: 'hang' });
    const working = (await alice.upload(session, 'in-work', webm())).body;
    await engine.seen(seen + 1);
    const waiting = (await alice.upload(session, 'waiting', webm())).body;

    const foreign = await foreignFile({ upload_id: 'not-one-of-ours' });
    const plain = await foreignFile({});
    // Ours by its looks, and without a row: for the quarantine, which takes its time.
    const orphan = await foreignFile({ upload_id: new mongo.ObjectId().toHexString() });
    const before = ids(await service.db.collection('fs.files').find().toArray());

    const young = await cleanup('?hours=1');
    expect(young.body.deleted_count).toBe(0);

    const dry = await cleanup('?hours=0&dry_run=true');
    expect(dry.status).toBe(200);
    expect(ids(await service.db.collection('fs.files').find().toArray())).toEqual(before);

    const { status, body } = await cleanup('?hours=0');
    expect(status).toBe(200);
    expect(body).toEqual(dry.body);
    expect(namesOf({ body }).sort()).toEqual(
      [
        [expired.file_id, 'expired'],
        [superseded.file_id, 'superseded'],
      ].sort(),
    );
    expect(body).toMatchObject({ deleted_count: 2, freed_bytes: webm().length + ogg().length });
    expect(body.files.find((file: Json) => file.reason === 'expired')).toEqual({
      file_id: expired.file_id,
      upload_id: expired.upload_id,
      size: webm().length,
      uploaded_at: expect.any(String),
      reason: 'expired',
    });
    const left = [failed.file_id, working.file_id, waiting.file_id, foreign, plain, orphan].sort();
    expect(ids(await service.db.collection('fs.files').find().toArray())).toEqual(left);
    for (const id of left) expect([id, await isThere(id)]).toEqual([id, true]);
    for (const id of [expired.file_id, superseded.file_id]) expect(await isThere(id)).toBe(false);

    expect((await cleanup('?hours=0')).body.deleted_count).toBe(0);
    for (const each of [working, waiting]) {
      const { body: row } = await alice.get(`/api/uploads/${each.upload_id}`);
      expect(row).toMatchObject({ audio: 'stored' });
    }
    expect((await alice.get(`/api/uploads/${expired.upload_id}`)).body.audio).toBe('deleted');
    await alice.delete(`/api/sessions/${session}`);
  });

  it('leaves what a session keeps, though its transcription failed long ago or was dismissed; erasing takes it', async () => {
    const session = await alice.session([], { id: 'kept-though-failed', retain_audio: true });
    const failed = [await failedAnswer(session, 'expired', 200), await failedAnswer(session, 'dismissed', 200)];
    expect((await admin.delete(`/api/admin/dead-letters/${failed[1]!.upload_id}`)).status).toBe(200);
    expect((await cleanup('?hours=0')).body).toEqual({ deleted_count: 0, freed_bytes: 0, files: [] });
    for (const { upload_id, bytes } of failed) {
      const { authorization } = alice;
      const heard = await fetch(`${alice.url}/api/uploads/${upload_id}/audio`, { headers: { authorization } });
      expect(Buffer.from(await heard.arrayBuffer()).equals(bytes)).toBe(true);
    }
    expect((await alice.delete(`/api/sessions/${session}`)).body).toMatchObject({ audio_files: 2 });
    for (const { file_id } of failed) expect(await isThere(file_id)).toBe(false);
  });

  it('of a failed answer leaves it shown as failed, and the same bytes are then a new take', async () => {
    const session = await alice.session(['q1']);
    const old = await failedAnswer(session, 'q1', 200);
    expect((await cleanup('?hours=0')).body.deleted_count).toBe(1);
    const shown = await alice.answer(session, 'q1');
    expect(shown).toMatchObject({ transcription_status: 'failed', transcription_error: expect.any(String) });

    const again = await alice.upload(session, 'q1', old.bytes);
    expect(again.body.duplicate).toBe(false);
    expect(again.body.upload_id).not.toBe(old.upload_id);
    const answer = await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    expect(answer.id).toBe(again.body.upload_id);
  });
});
