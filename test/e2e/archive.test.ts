import { randomBytes } from 'node:crypto';
import { HeadObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { mongo } from 'mongoose';
import { startOpenAiServer } from '../support/openai-server.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { S3Server, describeWithS3 } from '../support/s3-server.js';
import { type Caller, type Json, type TestService, eventually, fresh, startTestService } from '../support/service.js';

const TEXT = 'We moved the database over a weekend and nobody noticed.';

let engine: Awaited<ReturnType<typeof startOpenAiServer>>;
let service: TestService;
let alice: Caller;
let bob: Caller;

async function start(settings: Record<string, string> = {}): Promise<void> {
  engine = await startOpenAiServer();
  engine.otherwise({ does: 'answer', text: TEXT });
  service = await startTestService('all', {
    TRANSCRIBER: 'openai',
    SCORER: 'rubric',
    OPENAI_API_KEY: 'a-key',
    OPENAI_BASE_URL: engine.url,
    ARCHIVE_RETRY_S: '0.3',
    ...settings,
  });
  [alice, bob] = [await service.user('alice'), await service.user('bob')];
}

async function stop(): Promise<void> {
  await service.stop();
  await engine.close();
}

const keeping = (who: Caller, id: string) => who.session([], { id, retain_audio: true });
const kept = () => service.db.collection('kept_audio').find().toArray() as Promise<Json[]>;

/** Beyond the grace, within which verify leaves it alone, and its archive with it. */
async function ageKeptAudio(): Promise<void> {
  const updated_at = new Date(Date.now() - 60_000);
  await service.db.collection('kept_audio').updateMany({}, { $set: { updated_at } });
}

/** Resolves with the upload once its audio is where it is to be. */
const archived = (who: Caller, uploadId: string, audio = 'archived') =>
  eventually(async () => {
    const { body } = await who.get(`/api/uploads/${uploadId}`);
    if (body.audio !== audio || body.status !== 'completed') throw new Error(`Not yet: ${JSON.stringify(body)}`);
    return body;
  });

async function bytesAt(who: Caller, url: string, headers: Record<string, string> = {}) {
  const response = await fetch(service.url + url, { headers: { authorization: who.authorization, ...headers } });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

describe('kept audio', () => {
  beforeAll(() => start());
  afterAll(stop);

  it('moves into the archive once it is transcribed, and can be heard all the while, by its owner alone', async () => {
    const audio = fresh('answer-0880.webm');
    const session = await keeping(alice, 'heard');
    const { body } = await alice.upload(session, 'q1', audio, { fileName: 'my "answer".webm' });
    const url = `/api/uploads/${body.upload_id}/audio`;
    expect((await bytesAt(alice, url)).bytes.equals(audio)).toBe(true);

    const upload = await archived(alice, body.upload_id);
    expect(upload.stages.map(({ name, state }: Json) => [name, state])).toEqual([
      ['transcription', 'done'],
      ['analysis', 'done'],
      ['archive', 'done'],
    ]);
    await eventually(async () => expect(await service.files(session)).toEqual([]));
    const answer = await alice.answer(session, 'q1');
    expect(answer).toMatchObject({ audio_url: url, gridfs_file_id: null, transcript: TEXT });

    const whole = await bytesAt(alice, answer.audio_url);
    expect(whole.status).toBe(200);
    expect(whole.bytes.equals(audio)).toBe(true);
    expect(whole.headers.get('content-type')).toBe('audio/webm');
    expect(whole.headers.get('etag')).toBe(`"${body.sha256}"`);
    expect(whole.headers.get('content-disposition')).toBe(String.raw`attachment; filename="my \"answer\".webm"`);

    const part = await bytesAt(alice, url, { range: 'bytes=10-109' });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 10-109/${audio.length}`]);
    expect(part.bytes.equals(audio.subarray(10, 110))).toBe(true);
    const last = await bytesAt(alice, url, { range: 'bytes=-7' });
    expect(last.bytes.equals(audio.subarray(-7))).toBe(true);
    const beyond = await bytesAt(alice, url, { range: 'bytes=99999999-' });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${audio.length}`]);
    expect(beyond.headers.get('content-type')).toMatch(/^application\/json/);
    expect(beyond.headers.get('content-disposition')).toBeNull();
    expect((await bytesAt(alice, url, { range: 'bytes=5-2' })).status).toBe(200);
    expect((await bytesAt(alice, url, { range: 'bytes=0-9', 'if-range': '"another"' })).status).toBe(200);
    expect((await bytesAt(alice, url, { 'if-none-match': `"${body.sha256}"` })).status).toBe(304);

    expect((await bytesAt(bob, url)).status).toBe(404);
    expect((await bytesAt(alice, '/api/uploads/0123456789abcdef01234567/audio')).status).toBe(404);
    expect((await bytesAt(alice, '/api/uploads/no-id/audio')).status).toBe(422);
    await eventually(async () => expect(await service.strays()).toEqual([]));
  });

  it('is stored once for the same bytes of one owner, however many send them at once', async () => {
    const audio = fresh('answer-0880.webm');
    const session = await keeping(alice, 'twenty');
    const questions = Array.from({ length: 20 }, (_, index) => `q${index}`);
    const sent = await Promise.all(questions.map((question) => alice.upload(session, question, audio)));
    for (const { body } of sent) await archived(alice, body.upload_id);
    const theirs = await keeping(bob, 'twenty');
    const other = (await bob.upload(theirs, 'q1', audio)).body;
    await archived(bob, other.upload_id);

    const { sha256 } = sent[0]!.body;
    const stored = (await kept()).filter((each) => each.sha256 === sha256);
    expect(stored.map(({ user_id, state }) => [user_id, state]).sort()).toEqual([
      ['alice', 'live'],
      ['bob', 'live'],
    ]);
    const files = () => service.db.collection('archive.files').countDocuments({ 'metadata.sha256': sha256 });
    expect(await files()).toBe(2);

    const again = await keeping(alice, 'once-more');
    const more = (await alice.upload(again, 'q1', audio)).body;
    await archived(alice, more.upload_id);
    expect((await alice.delete(`/api/sessions/${session}`)).status).toBe(200);
    expect((await bytesAt(alice, `/api/uploads/${more.upload_id}/audio`)).bytes.equals(audio)).toBe(true);
    expect(await files()).toBe(2);

    const erased = await alice.delete(`/api/sessions/${again}`);
    expect(erased.body).toMatchObject({ audio_files: 1, audio_bytes: audio.length });
    expect((await bytesAt(bob, `/api/uploads/${other.upload_id}/audio`)).bytes.equals(audio)).toBe(true);
    expect(await files()).toBe(1);
    expect((await kept()).filter((each) => each.sha256 === sha256).map(({ user_id }) => user_id)).toEqual(['bob']);
  });

  it('of a take that a newer one replaced goes away', async () => {
    const session = await keeping(alice, 'retaken');
    const first = (await alice.upload(session, 'q1', fresh('answer-0880.webm'))).body;
    await archived(alice, first.upload_id);
    const second = (await alice.upload(session, 'q1', fresh('answer-0880.webm'))).body;
    await archived(alice, second.upload_id);
    await eventually(async () => expect((await kept()).map(({ sha256 }) => sha256)).not.toContain(first.sha256));
    expect((await bytesAt(alice, `/api/uploads/${first.upload_id}/audio`)).status).toBe(404);
    expect((await bytesAt(alice, `/api/uploads/${second.upload_id}/audio`)).status).toBe(200);
  });

  it('is not kept where the session does not ask for it', async () => {
    const session = await alice.session([], { id: 'not-kept' });
    const { upload_id } = (await alice.upload(session, 'q1', fresh('answer-0880.webm'))).body;
    const upload = await archived(alice, upload_id, 'deleted');
    expect(upload.stages.map(({ name }: Json) => name)).toEqual(['transcription', 'analysis']);
    expect(await alice.answer(session, 'q1')).not.toHaveProperty('audio_url');
    expect((await bytesAt(alice, `/api/uploads/${upload_id}/audio`)).status).toBe(404);
  });
});

describe('verify', () => {
  beforeAll(() => start());
  afterAll(stop);

  it('misses kept audio that is gone from the archive, and deeply sees what was altered there', async () => {
    const admin = await service.user('admin', 'admin');
    const session = await keeping(alice, 'verified');
    const [whole, altered, gone, torn] = await Promise.all(
      ['whole', 'altered', 'gone', 'torn'].map(async (question) => {
        const { body } = await alice.upload(session, question, fresh('answer-0880.webm'));
        await archived(alice, body.upload_id);
        return body;
      }),
    );
    const keyOf = async ({ sha256 }: Json) => (await kept()).find((each) => each.sha256 === sha256).key as string;
    const chunks = service.db.collection('archive.chunks');
    const files_id = new mongo.ObjectId(await keyOf(altered));
    const chunk: Json = await chunks.findOne({ files_id });
    const data = Buffer.from(chunk.data.buffer as Buffer);
    data[100]! ^= 1;
    await chunks.updateOne({ _id: chunk._id }, { $set: { data: new mongo.Binary(data) } });
    await service.db.collection('archive.files').deleteOne({ _id: new mongo.ObjectId(await keyOf(gone)) });
    await chunks.deleteMany({ files_id: new mongo.ObjectId(await keyOf(torn)) });

    await ageKeptAudio();
    const verify = async (deep: boolean) => (await admin.get(`/api/admin/content/verify?deep=${deep}`)).body;
    const shallow = await verify(false);
    const uploads = (findings: Json[]) => findings.map(({ upload_id }) => upload_id).sort();
    expect(uploads(shallow.records_without_files)).toEqual([gone.upload_id]);
    expect(shallow.hash_mismatches).toEqual([]);
    const deep = await verify(true);
    expect(uploads(deep.records_without_files)).toEqual([gone.upload_id]);
    expect(uploads(deep.hash_mismatches)).toEqual([altered.upload_id, torn.upload_id].sort());
    expect(uploads(deep.hash_mismatches)).not.toContain(whole.upload_id);
    expect(deep.files_without_records).toEqual([]);
  });
});

describeWithS3('kept audio in S3', () => {
  let s3: S3Server;
  let proxy: S3Proxy;

  beforeAll(async () => {
    s3 = await S3Server.start();
    proxy = await S3Proxy.start(s3.port);
    await start({ ...s3.settings(proxy.url), S3_PREFIX: 'kept/' });
  });
  // After a test that failed while it was away.
  afterEach(() => s3.run());
  afterAll(async () => {
    await stop();
    await proxy.close();
    await s3.stop();
  });

  const keys = async () => {
    const client = s3.client();
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'audio' }));
    client.destroy();
    return Contents.map(({ Key }) => Key);
  };

  it('lies under its people, plays from there, and goes with its owner’s data', async () => {
    const audio = Buffer.concat([fresh('answer-0880.webm'), randomBytes(12 * 2 ** 20)]);
    const session = await keeping(alice, 'in-s3');
    const { body } = await alice.upload(session, 'q1', audio);
    await archived(alice, body.upload_id);
    const key = `kept/answer/alice/in-s3/q1/${body.upload_id}.webm`;
    expect(await keys()).toEqual([key]);
    const client = s3.client();
    const head = await client.send(new HeadObjectCommand({ Bucket: 'audio', Key: key }));
    client.destroy();
    expect(head).toMatchObject({ ContentLength: audio.length, ContentType: 'audio/webm' });
    expect(JSON.parse(decodeURIComponent(head.Metadata!['session-id']!))).toBe('in-s3');

    const url = `/api/uploads/${body.upload_id}/audio`;
    expect((await bytesAt(alice, url)).bytes.equals(audio)).toBe(true);
    const part = await bytesAt(alice, url, { range: 'bytes=6000000-6000009' });
    expect(part.bytes.equals(audio.subarray(6_000_000, 6_000_010))).toBe(true);
    expect((await bytesAt(bob, url)).status).toBe(404);
    // Its copy in the landing zone goes in the background.
    await eventually(async () => expect(await service.files(session)).toEqual([]));

    const erased = await alice.delete(`/api/sessions/${session}`);
    expect(erased.body).toMatchObject({ audio_files: 1, audio_bytes: audio.length });
    expect(await keys()).toEqual([]);
    expect(await kept()).toEqual([]);
  });

  it('waits in the landing zone while S3 is away, as long as it takes, and nobody is kept waiting', async () => {
    await s3.kill();
    const audio = fresh('answer-0880.webm');
    const session = await keeping(alice, 'away');
    const { body } = await alice.upload(session, 'q1', audio);
    await alice.answer(session, 'q1');
    const stage = await eventually(async () => {
      const { body: upload } = await alice.get(`/api/uploads/${body.upload_id}`);
      const found = upload.stages.find(({ name }: Json) => name === 'archive');
      // More often than a stage that is at fault would be tried.
      if (!(found.history.at(-1)?.times >= 5)) throw new Error(`Not yet: ${JSON.stringify(found)}`);
      return found;
    });
    expect(stage).toMatchObject({ error: { code: 'archive_away' } });
    expect(stage.history.at(-1)).toMatchObject({ number: 1, outcome: 'retry', error: { code: 'archive_away' } });
    expect(stage.state).not.toBe('failed');
    expect((await bytesAt(alice, `/api/uploads/${body.upload_id}/audio`)).bytes.equals(audio)).toBe(true);
    const health = (await service.nobody().get('/health/ready')).body;
    expect(health).toMatchObject({ status: 'degraded', checks: { archive: { state: 'down', required: false } } });

    await s3.run();
    await archived(alice, body.upload_id);
    expect((await bytesAt(alice, `/api/uploads/${body.upload_id}/audio`)).bytes.equals(audio)).toBe(true);
  });

  it('says that it cannot be reached, to who plays, erases or verifies, while S3 is away; erasing goes on by itself', async () => {
    const admin = await service.user('admin', 'admin');
    const session = await keeping(alice, 'unreachable');
    const { body } = await alice.upload(session, 'q1', fresh('answer-0880.webm'));
    await archived(alice, body.upload_id);
    const others = await alice.session([], { id: 'not-in-s3' });
    await alice.upload(others, 'q1', fresh('answer-0880.webm'));
    await alice.answer(others, 'q1');
    const before = await keys();
    expect(before).toContainEqual(expect.stringContaining(body.upload_id));
    await ageKeptAudio();
    await s3.kill();

    const said = { detail: 'The archive of kept audio cannot be reached at the moment. Please try again.' };
    const unreachable = [
      await alice.get(`/api/uploads/${body.upload_id}/audio`),
      await admin.get('/api/admin/content/verify'),
      await alice.delete(`/api/sessions/${session}`),
    ];
    expect(unreachable.map(({ status, body: told }) => [status, told])).toEqual(Array(3).fill([503, said]));
    expect(unreachable.map(({ headers }) => headers.get('retry-after'))).toEqual(Array(3).fill('30'));
    expect((await alice.get(`/api/sessions/${session}`)).status).toBe(404);
    // An erasure that was cut short comes after it in the sweep, and is none of its business.
    const sessions = service.db.collection('interview_sessions');
    await sessions.updateOne({ session_id: others }, { $set: { erasing_since: new Date(Date.now() - 60_000) } });
    await eventually(async () => expect(await sessions.countDocuments({ session_id: others })).toBe(0));
    expect(await sessions.countDocuments({ session_id: session })).toBe(1);

    await s3.run();
    await eventually(async () => expect(await sessions.countDocuments({ session_id: session })).toBe(0));
    expect(await keys()).toEqual(before.filter((key) => !key?.includes(body.upload_id)));
    expect((await kept()).map(({ sha256 }) => sha256)).not.toContain(body.sha256);
  });

  it('slows down when S3 asks for it', async () => {
    proxy.slowDowns = 3;
    const session = await keeping(alice, 'busy');
    const { body } = await alice.upload(session, 'q1', fresh('answer-0880.webm'));
    await archived(alice, body.upload_id);
    expect(proxy.slowedDown).toBe(3);
  });

  it('stays in the landing zone when S3 gives back other bytes than it was given', async () => {
    proxy.spoils = true;
    const audio = fresh('answer-0880.webm');
    const session = await keeping(alice, 'spoiled');
    const { body } = await alice.upload(session, 'q1', audio);
    await eventually(async () => {
      const { body: upload } = await alice.get(`/api/uploads/${body.upload_id}`);
      const stage = upload.stages.find(({ name }: Json) => name === 'archive');
      expect(stage).toMatchObject({ state: 'failed', attempts: 3, error: { code: 'archive_altered' } });
      expect(upload.audio).toBe('stored');
    });
    expect((await alice.answer(session, 'q1')).transcription_status).toBe('completed');
    expect((await service.files(session)).length).toBe(1);
    proxy.spoils = false;
    expect((await bytesAt(alice, `/api/uploads/${body.upload_id}/audio`)).bytes.equals(audio)).toBe(true);

    const admin = await service.user('admin', 'admin');
    expect((await admin.post(`/api/admin/dead-letters/${body.upload_id}/retry`)).status).toBe(200);
    await archived(alice, body.upload_id);
    const client = s3.client();
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket: 'audio' }))).Uploads ?? []).toEqual([]);
    client.destroy();
  });
});
