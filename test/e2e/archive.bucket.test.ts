import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Sweeper } from '../../src/sweep/sweeper.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { S3Server, describeWithS3 } from '../support/s3-server.js';
import { type Caller, type Json, eventually, fresh } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

describeWithS3('kept audio and its bucket', () => {
  let s3: S3Server;
  let proxy: S3Proxy;
  let running: ServiceWithEngine;
  let alice: Caller;
  let admin: Caller;

  beforeAll(async () => {
    s3 = await S3Server.start();
    proxy = await S3Proxy.start(s3.port);
    // Swept by the tests alone.
    running = await startWithEngine('all', {
      ...s3.settings(proxy.url),
      SWEEP_INTERVAL_S: '600',
      ARCHIVE_RETRY_S: '0.3',
    });
    alice = await running.service.user('alice');
    admin = await running.service.user('root', 'admin');
  });
  afterEach(async () => {
    proxy.release();
    proxy.spoils = false;
    await s3.renameBucket('elsewhere', 'audio');
  });
  afterAll(async () => {
    await running.stop();
    await proxy.close();
    await s3.stop();
  });

  const collection = (name: string) => running.service.db.collection(name);
  const sweep = () => running.service.service.app.get(Sweeper, { strict: false }).sweep();
  const kept = (sha256: string) => collection('kept_audio').find({ sha256 }).toArray() as Promise<Json[]>;
  const keeping = (id: string) => alice.session([], { id, retain_audio: true });
  const archived = (uploadId: string) =>
    eventually(async () => {
      const { body } = await alice.get(`/api/uploads/${uploadId}`);
      expect(body).toMatchObject({ status: 'completed', audio: 'archived' });
    });
  const keys = async () => {
    const client = s3.client();
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'audio' }));
    client.destroy();
    return Contents.map(({ Key = '' }) => Key);
  };
  const heard = async (uploadId: string) => {
    const { authorization } = alice;
    const response = await fetch(`${alice.url}/api/uploads/${uploadId}/audio`, { headers: { authorization } });
    return Buffer.from(await response.arrayBuffer());
  };

  it('is stored once for the same bytes of one owner, however many send them at once', async () => {
    const audio = fresh('answer-0880.webm');
    const session = await keeping('racing');
    const questions = Array.from({ length: 8 }, (_, index) => `q${index}`);
    const sent = await Promise.all(questions.map((question) => alice.upload(session, question, audio)));
    for (const { body } of sent) await archived(body.upload_id);
    const stored = await kept(sent[0]!.body.sha256);
    expect(stored).toMatchObject([{ state: 'live', store: 's3' }]);
    expect((await keys()).filter((key) => key.includes('/racing/'))).toEqual([stored[0].key]);
    for (const { body } of sent) expect((await heard(body.upload_id)).equals(audio)).toBe(true);
  });

  it('is not taken for erased while the bucket is missing, and goes when that is back', async () => {
    const session = await keeping('erased');
    const { body } = await alice.upload(session, 'q1', fresh('answer-0880.webm'));
    await archived(body.upload_id);
    await s3.renameBucket('audio', 'elsewhere');
    expect((await alice.delete(`/api/sessions/${session}`)).status).toBe(503);
    expect(await kept(body.sha256)).toHaveLength(1);

    await s3.renameBucket('elsewhere', 'audio');
    expect((await keys()).filter((key) => key.includes('/erased/'))).toHaveLength(1);
    await collection('interview_sessions').updateOne({ session_id: session }, { $set: { erasing_since: longAgo() } });
    await sweep();
    expect((await keys()).filter((key) => key.includes('/erased/'))).toEqual([]);
    expect(await kept(body.sha256)).toEqual([]);
  });

  it('is not taken for lost while the bucket is missing: the same bytes wait, and share it later', async () => {
    const audio = fresh('answer-0880.webm');
    const session = await keeping('shared');
    const first = (await alice.upload(session, 'q1', audio)).body;
    await archived(first.upload_id);
    const [before] = await kept(first.sha256);
    await s3.renameBucket('audio', 'elsewhere');
    const second = (await alice.upload(session, 'q2', audio)).body;
    await eventually(async () => {
      const { stages } = (await alice.get(`/api/uploads/${second.upload_id}`)).body;
      expect(stages.find(({ name }: Json) => name === 'archive')).toMatchObject({ error: { code: 'archive_away' } });
    });
    expect(await kept(first.sha256)).toMatchObject([{ state: 'live', key: before.key }]);

    await s3.renameBucket('elsewhere', 'audio');
    await archived(second.upload_id);
    expect((await keys()).filter((key) => key.includes('/shared/'))).toEqual([before.key]);
    expect((await heard(second.upload_id)).equals(audio)).toBe(true);
  });

  it('is told to be away within seconds, to who erases it, when S3 takes requests and never answers', async () => {
    const session = await keeping('hung');
    const { body } = await alice.upload(session, 'q1', fresh('answer-0880.webm'));
    await archived(body.upload_id);
    proxy.hangs = true;
    const began = performance.now();
    const { status, headers } = await alice.delete(`/api/sessions/${session}`);
    expect([status, headers.get('retry-after')]).toEqual([503, '30']);
    expect((performance.now() - began) / 1000).toBeLessThan(20);
  });

  it('is named by verify while it is being stored anew, for every row that counts on it', async () => {
    const audio = fresh('answer-0880.webm');
    const session = await keeping('lost');
    const sent = [await alice.upload(session, 'q1', audio), await alice.upload(session, 'q2', audio)];
    for (const { body } of sent) await archived(body.upload_id);
    const { sha256 } = sent[0]!.body;
    const [{ _id: kept_id, key }] = await kept(sha256);
    // A third upload found it gone, and S3 does not take it: each attempt makes it young again.
    const gone = { state: 'storing', key: null, updated_at: new Date() };
    await collection('kept_audio').updateOne({ sha256 }, { $set: gone });
    const waiting = { _id: new mongo.ObjectId(), user_id: 'alice', kept_id, kept_state: 'linking' };
    await collection('uploads').insertOne({ ...waiting, state: 'committed', stages: {} });
    const { records_without_files } = (await admin.get('/api/admin/content/verify')).body;
    expect(records_without_files.map(({ upload_id }: Json) => upload_id).sort()).toEqual(
      sent.map(({ body }) => body.upload_id).sort(),
    );
    await collection('uploads').deleteOne({ _id: waiting._id });
    await collection('kept_audio').updateOne({ sha256 }, { $set: { state: 'live', key } });
  });

  it.each([
    ['otherwise than it was given, is told by a deep verify, which goes on', () => (proxy.spoils = true), 1],
    ['only when it is read again, is whole to a deep verify', () => (proxy.cuts = 1), 0],
  ])('of which S3 gives back the bytes %s', async (_what, harm, mismatches) => {
    const session = await keeping(`read-${mismatches}`);
    const { body } = await alice.upload(session, 'q1', fresh('answer-0880.webm'));
    await archived(body.upload_id);
    await collection('kept_audio').updateOne({ sha256: body.sha256 }, { $set: { updated_at: longAgo() } });
    harm();
    const verified = await admin.get('/api/admin/content/verify?deep=true');
    expect(verified.status).toBe(200);
    const { upload_id, sha256: expected_sha256 } = body;
    const told = { upload_id, expected_sha256, actual_sha256: null };
    const found = verified.body.hash_mismatches.filter((each: Json) => each.upload_id === upload_id);
    expect(found).toMatchObject(Array(mismatches).fill(told));
    expect(proxy.cuts).toBe(0);
  });

  it('shares the bucket with objects of others, which verify does not report', async () => {
    const client = s3.client();
    for (const Key of ['backups/of-others.tar', 'answers.csv', 'answer/alice/left/q1/no-record.webm'])
      await client.send(new PutObjectCommand({ Bucket: 'audio', Key, Body: 'x' }));
    client.destroy();
    // What is young may be on its way.
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 2 * 3_600_000);
    const { body } = await admin.get('/api/admin/content/verify?deep=true').finally(() => jest.restoreAllMocks());
    expect(body.files_without_records.map(({ file_id }: Json) => file_id)).toEqual([
      'answer/alice/left/q1/no-record.webm',
    ]);
  });
});
