import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { KeptAudioQuarantine } from '../../src/recovery/kept-audio.quarantine.js';
import { sessionKey } from '../../src/sessions/session.schema.js';
import { Archives } from '../../src/storage/archives.js';
import { MOST_ERASURES, Sweeper } from '../../src/sweep/sweeper.js';
import { ArchiveWrites } from '../../src/uploads/archive-writes.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { S3Server, describeWithS3 } from '../support/s3-server.js';
import { type Caller, type Json, eventually, fresh } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

const QUESTIONS = ['q1', 'q2', 'q3'];

describeWithS3('while S3 is away', () => {
  let s3: S3Server;
  let proxy: S3Proxy;
  let running: ServiceWithEngine;
  let alice: Caller;

  beforeAll(async () => {
    s3 = await S3Server.start();
    proxy = await S3Proxy.start(s3.port);
    // Swept by the tests alone.
    running = await startWithEngine('all', {
      ...s3.settings(proxy.url),
      SWEEP_INTERVAL_S: '600',
      DISPATCH_GRACE_S: '60',
    });
    alice = await running.service.user('alice');
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await s3.run();
  });
  afterAll(async () => {
    await running.stop();
    await proxy.close();
    await s3.stop();
  });

  const collection = (name: string) => running.service.db.collection(name);
  const sweep = () => running.service.service.app.get(Sweeper, { strict: false }).sweep();
  const deletions = () => jest.spyOn(running.service.service.app.get(Archives, { strict: false }).of('s3'), 'delete');

  /** Three answers of which S3 has the audio, each in a session of its own. */
  async function archived(name: string): Promise<string[]> {
    const sessions = QUESTIONS.map((question) => `${name}-${question}`);
    for (const id of sessions) {
      await alice.session([], { id, retain_audio: true });
      const { body } = await alice.upload(id, 'q1', fresh('answer-0880.webm'));
      await eventually(async () =>
        expect((await alice.get(`/api/uploads/${body.upload_id}`)).body).toMatchObject({
          status: 'completed',
          audio: 'archived',
        }),
      );
    }
    return sessions;
  }

  it('a sweep tries to release one kept audio, and the next one goes on', async () => {
    const session_id = { $in: await archived('released') };
    const overdue = () =>
      collection('uploads').updateMany(
        { session_id, kept_state: { $ne: 'released' } },
        { $set: { kept_state: 'releasing', updated_at: longAgo() } },
      );
    await overdue();
    await s3.kill();
    const deleted = deletions();
    await sweep();
    expect(deleted.mock.calls).toHaveLength(1);
    await s3.run();
    await overdue();
    await sweep();
    expect(await collection('uploads').countDocuments({ session_id, kept_state: 'released' })).toBe(3);
  });

  it('a sweep tries to delete one leftover of an attempt, and the steps after that one are done', async () => {
    const writes = running.service.service.app.get(ArchiveWrites, { strict: false });
    for (const question of QUESTIONS) await writes.begin('s3', `left/${question}`);
    const overdue = () => collection('archive_writes').updateMany({}, { $set: { until: longAgo() } });
    await overdue();
    await s3.kill();
    const deleted = deletions();
    expect(await sweep()).toMatchObject({ archive_leftovers: 3 });
    expect(deleted.mock.calls).toHaveLength(1);
    await s3.run();
    await overdue();
    await sweep();
    expect(await collection('archive_writes').countDocuments()).toBe(0);
  });

  it('a review of what no row wants tries to delete one, marks what is new, and ends when it is asked to', async () => {
    const quarantine = running.service.service.app.get(KeptAudioQuarantine, { strict: false });
    await archived('unwanted');
    const session_id = { $regex: /^unwanted-/ };
    const unwanted = await collection('uploads').distinct('kept_id', { session_id });
    await collection('uploads').deleteMany({ session_id });
    const old = { updated_at: longAgo(), unwanted_since: new Date(Date.now() - 73 * 3_600_000) };
    await collection('kept_audio').updateMany({ _id: { $in: unwanted } }, { $set: old });
    await collection('kept_audio').updateOne({ _id: unwanted.at(-1) }, { $unset: { unwanted_since: 1 } });
    expect(await quarantine.review(false, AbortSignal.abort())).toEqual({ quarantined: 0, released: 0, deleted: 0 });
    await s3.kill();
    const deleted = deletions();
    expect(await quarantine.review(false)).toEqual({ quarantined: 1, released: 0, deleted: 0 });
    expect(deleted.mock.calls).toHaveLength(1);
    await s3.run();
    expect(await quarantine.review(false)).toEqual({ quarantined: 0, released: 0, deleted: 2 });
    await collection('kept_audio').deleteOne({ _id: unwanted.at(-1) });
  });

  it('a sweep tries to erase one session that has audio there, and erases those that have none', async () => {
    const sessions = [...(await archived('erased')), await alice.session([], { id: 'erased-text' })];
    await alice.post('/api/text-answer/erased-text/q1', { text: 'We moved the database over a weekend.' });
    const session_id = { $in: sessions };
    await collection('interview_sessions').updateMany({ session_id }, { $set: { erasing_since: longAgo() } });
    await s3.kill();
    const deleted = deletions();
    await sweep();
    expect(deleted.mock.calls).toHaveLength(1);
    expect(await collection('interview_sessions').countDocuments({ session_id })).toBe(3);
    await s3.run();
    await sweep();
    expect(await collection('interview_sessions').countDocuments({ session_id })).toBe(0);
  });

  it('a sweep erases what does not need it, however many wait for it before that', async () => {
    const at = longAgo();
    const erasing = (session_id: string, erasing_since: Date): Json => {
      return { key: sessionKey('alice', session_id), user_id: 'alice', session_id, answers: {}, erasing_since };
    };
    const ids = Array.from({ length: MOST_ERASURES }, () => new mongo.ObjectId());
    const kept = (_id: mongo.ObjectId): Json => ({
      ...{ _id, user_id: 'alice', sha256: String(_id), state: 'live', store: 's3', key: `answer/${_id.toHexString()}` },
      ...{ by: _id, token: null, size: 1, content_type: '', created_at: at, updated_at: at },
    });
    const keeping = (kept_id: mongo.ObjectId): Json => ({
      ...{ user_id: 'alice', session_id: String(kept_id), question_id: 'q1', kind: 'answer', state: 'committed' },
      ...{ source: 'audio', file_id: null, audio_state: 'deleted', kept_id, kept_state: 'kept', stages: {} },
    });
    await collection('kept_audio').insertMany(ids.map(kept));
    await collection('uploads').insertMany(ids.map(keeping));
    await collection('interview_sessions').insertMany([
      ...ids.map((id) => erasing(id.toHexString(), at)),
      erasing('behind', new Date(at.getTime() + 1000)),
    ]);
    await s3.kill();
    expect(await sweep()).toMatchObject({ erasures: 1 });
    expect(await collection('interview_sessions').countDocuments({ session_id: 'behind' })).toBe(0);
    expect(await collection('interview_sessions').countDocuments({ erasing_since: at })).toBe(MOST_ERASURES);
  });
});
