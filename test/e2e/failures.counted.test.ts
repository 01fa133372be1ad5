import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { AppError } from '../../src/common/app-error.js';
import { LostAudio } from '../../src/recovery/lost-audio.js';
import { SessionRepository } from '../../src/sessions/session.repository.js';
import { Sweeper } from '../../src/sweep/sweeper.js';
import { Intake } from '../../src/uploads/intake.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { StageLedger } from '../../src/uploads/stage-ledger.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, eventually, fresh } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

const BYTES = fresh('answer-0880.webm');
const MOST = 10 * 2 ** 20;

describe('a failure is counted once, where the ledger has it', () => {
  let running: ServiceWithEngine;
  let alice: Caller;

  beforeEach(async () => {
    // Without workers, and swept by the tests alone.
    running = await startWithEngine('api');
    alice = await running.service.user('alice');
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await running.stop();
  });

  const get: typeof running.service.service.app.get = (type: never) =>
    running.service.service.app.get(type, { strict: false });
  const sweep = () => get(Sweeper).sweep();

  /** The value of a counter; 0 where it is not there yet. */
  async function counted(name: string, labels: string): Promise<number> {
    const { body } = await running.service.nobody().get('/metrics');
    const line = (body as string).split('\n').find((each) => each.startsWith(`vivavoce_${name}{${labels}}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }
  const failures = (stage: string, code: string) => counted('failures_total', `stage="${stage}",code="${code}"`);
  const uploads = (outcome: string) => counted('uploads_total', `outcome="${outcome}",kind="answer"`);
  const jobs = (outcome: string) => counted('jobs_total', `queue="transcription",outcome="${outcome}"`);

  const incoming = (session_id: string) => ({
    kind: 'answer' as const,
    user_id: 'alice',
    session_id,
    question_id: 'q1',
    language: null,
    retain_audio: false,
    correlation_id: null,
    file_name: null,
  });

  /** As if the upload's process had gone away an hour ago. */
  async function expire(session_id: string): Promise<void> {
    const overdue = { session_id, state: 'uploading' as const };
    await eventually(async () => {
      const set = { $set: { lease_until: longAgo() } };
      expect((await get(Ledger).rows.updateOne(overdue, set)).matchedCount).toBe(1);
    });
    await sweep();
  }

  async function* cut(end: () => Promise<Error>): AsyncGenerator<Buffer> {
    yield BYTES.subarray(0, 8000);
    throw await end();
  }

  const interrupted = (session: string, end: () => Promise<Error>) =>
    expect(get(Intake).stage(cut(end), incoming(session), MOST)).rejects.toThrow('cut');

  it('that an upload did not arrive whole: by its request, or by the sweep', async () => {
    await interrupted('by-request', async () => new Error('cut'));
    await sweep();
    expect([await failures('upload', 'upload_interrupted'), await uploads('failed')]).toEqual([1, 1]);
    await interrupted('by-sweep', async () => {
      await expire('by-sweep');
      return new Error('cut');
    });
    expect([await failures('upload', 'upload_interrupted'), await uploads('failed')]).toEqual([2, 2]);
    const staged = await get(Intake).stage(whole(), incoming('discarded'), MOST);
    await expire('discarded');
    await get(Intake).discard(staged, { code: 'bad_digest', message: 'No.' });
    expect([await failures('upload', 'upload_interrupted'), await uploads('failed')]).toEqual([3, 3]);
    expect([await failures('upload', 'bad_digest'), await uploads('refused')]).toEqual([0, 0]);
    await interrupted('too-slow', async () => new AppError('bad_request', 'upload_timeout', 'It was cut'));
    expect([await failures('upload', 'upload_timeout'), await uploads('failed')]).toEqual([1, 4]);
    await interrupted('no-audio', async () => new AppError('bad_request', 'bad_form', 'It was cut'));
    expect([await failures('upload', 'bad_form'), await uploads('refused')]).toEqual([1, 1]);
  });

  it('that the session was erased meanwhile: told by the request, or found by the sweep', async () => {
    const sessions = running.service.db.collection('interview_sessions');
    const write = (session: string) => alice.post(`/api/text-answer/${session}/q1`, { text: 'Is anybody there?' });
    const [first, second] = [await alice.session(), await alice.session()];
    const replacing = jest.spyOn(get(SessionRepository), 'replaceAnswer');
    replacing.mockImplementationOnce(async () => {
      await sessions.deleteOne({ session_id: first });
      return false;
    });
    expect((await write(first)).status).toBe(404);
    expect(await failures('upload', 'session_gone')).toBe(1);

    replacing.mockRejectedValueOnce(new Error('cut short'));
    expect((await write(second)).status).toBe(500);
    await sessions.deleteOne({ session_id: second });
    await eventually(async () => {
      await sweep();
      expect((await running.service.rows(second))[0]).toMatchObject({ state: 'failed' });
    });
    await sweep();
    expect(await failures('upload', 'session_gone')).toBe(2);
  });

  it('that a worker was lost: found by the sweep, or by an admin who has its stage queued again', async () => {
    const session = await alice.session();
    const { upload_id } = (await alice.upload(session, 'q1', BYTES)).body;
    const _id = new mongo.ObjectId(upload_id as string);
    const lose = async (attempts: number) => {
      expect(await get(StageLedger).claim(_id, 'transcription', 'a-worker')).not.toBeNull();
      const set = { 'stages.transcription.lease_until': longAgo(), 'stages.transcription.attempts': attempts };
      await get(Ledger).rows.updateOne({ _id }, { $set: set });
    };
    const root = await running.service.user('root', 'admin');
    await lose(1);
    expect((await root.post(`/api/admin/uploads/${upload_id}/requeue`)).status).toBe(200);
    await sweep();
    expect([await failures('transcription', 'worker_lost'), await jobs('lost'), await jobs('failed')]).toEqual([
      1, 1, 0,
    ]);
    await lose(3);
    await sweep();
    await sweep();
    expect([await failures('transcription', 'worker_lost'), await jobs('lost'), await jobs('failed')]).toEqual([
      2, 2, 1,
    ]);
  });

  it('that kept audio was lost when nothing waited for it any more', async () => {
    const session = await alice.session([], { retain_audio: true });
    const { upload_id } = (await alice.upload(session, 'q1', BYTES)).body;
    const set = { 'stages.transcription.state': 'done' };
    await get(Ledger).rows.updateOne({ _id: new mongo.ObjectId(upload_id as string) }, { $set: set });
    expect(await get(LostAudio).close(upload_id as string)).toBe(true);
    expect(await get(LostAudio).close(upload_id as string)).toBe(false);
    expect(await failures('upload', 'audio_lost')).toBe(1);
  });
});

async function* whole(): AsyncGenerator<Buffer> {
  yield BYTES;
}
