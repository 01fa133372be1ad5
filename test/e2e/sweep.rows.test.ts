import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { AnswerTarget } from '../../src/answers/answer.target.js';
import { Log } from '../../src/common/logging.js';
import { SessionRepository } from '../../src/sessions/session.repository.js';
import { Sweeper } from '../../src/sweep/sweeper.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, type Json, eventually, fresh } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

describe('a sweep', () => {
  let running: ServiceWithEngine;
  let alice: Caller;

  beforeAll(async () => {
    // Without workers, and swept by the tests alone.
    running = await startWithEngine('api');
    alice = await running.service.user('alice');
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => running.stop());

  const get: typeof running.service.service.app.get = (type: never) =>
    running.service.service.app.get(type, { strict: false });
  const rows = () => running.service.db.collection('uploads');
  const sweep = () => get(Sweeper).sweep();
  const row = (id: string) => rows().findOne({ _id: new mongo.ObjectId(id) }) as Promise<Json>;
  const change = (id: string, update: Record<string, Record<string, unknown>>) =>
    rows().updateOne({ _id: new mongo.ObjectId(id) }, update);

  async function upload(session: string, bytes = fresh('answer-0880.webm'), question = 'q1'): Promise<string> {
    const { status, body } = await alice.upload(session, question, bytes);
    expect(status).toBe(200);
    await eventually(async () => expect(await row(body.upload_id)).not.toHaveProperty('link_due'));
    return body.upload_id;
  }

  it('goes on behind a row that cannot be put right, and says which it is', async () => {
    const session = await alice.session();
    const [bad, good] = [await upload(session), await upload(session, undefined, 'q2')];
    for (const id of [bad, good]) await change(id, { $set: { projection_due: 'a-mark', updated_at: longAgo() } });
    const target = get(AnswerTarget);
    const real = target.project.bind(target);
    jest.spyOn(target, 'project').mockImplementation((one) => {
      return one._id.toHexString() === bad ? Promise.reject(new Error('The session is too large')) : real(one);
    });
    const warned = jest.spyOn(get(Log).pino, 'warn');
    expect(await sweep()).toMatchObject({ projections: 1 });
    await eventually(async () => expect(await row(good)).not.toHaveProperty('projection_due'));
    expect(await row(bad)).toHaveProperty('projection_due');
    expect(warned).toHaveBeenCalledWith(expect.objectContaining({ upload_id: bad }), 'Row not put right yet');
  });

  it('ends at the row that it is at when it is asked to, and the next one goes on there', async () => {
    const session = await alice.session();
    for (const id of [await upload(session), await upload(session, undefined, 'q2')])
      await change(id, { $set: { projection_due: 'a-mark', updated_at: longAgo() } });
    const [target, stopping] = [get(AnswerTarget), new AbortController()];
    const project = jest.spyOn(target, 'project').mockImplementation(() => Promise.resolve(stopping.abort()));
    const report = await get(Sweeper).sweep(false, stopping.signal);
    expect(project).toHaveBeenCalledTimes(1);
    expect(report['projections']).toBe(1);
    expect(report).not.toHaveProperty('lost_jobs');
    jest.restoreAllMocks();
    for (const one of await running.service.rows(session))
      await change(one._id.toHexString(), { $set: { projection_due: 'a-mark', updated_at: longAgo() } });
    expect((await sweep())['projections']).toBeGreaterThanOrEqual(2);
  });

  it('does not close a take as the duplicate of one that failed: its bytes may be the only ones', async () => {
    const session = await alice.session();
    const bytes = fresh('answer-0880.webm');
    const first = await upload(session, bytes);
    const lost = { 'stages.transcription.state': 'failed', audio_state: 'deleted' };
    await change(first, { $set: lost, $inc: { version: 1 } });
    await get(AnswerTarget).project(await row(first));
    jest.spyOn(get(SessionRepository), 'replaceAnswer').mockRejectedValueOnce(new Error('cut short'));
    expect((await alice.upload(session, 'q1', bytes)).status).toBe(500);
    await eventually(async () => {
      await sweep();
      const [, second] = await running.service.rows(session);
      expect(second).toMatchObject({ state: 'committed', audio_state: 'stored' });
      expect((await alice.answer(session, 'q1', () => true)).id).toBe(String(second._id));
    });
    expect(await row(first)).toMatchObject({ state: 'superseded' });
  });

  it('keeps nothing of a written answer whose session was erased before it was linked', async () => {
    const session = await alice.session();
    jest.spyOn(get(SessionRepository), 'replaceAnswer').mockRejectedValueOnce(new Error('cut short'));
    expect((await alice.post(`/api/text-answer/${session}/q1`, { text: 'Nobody is to read this.' })).status).toBe(500);
    await running.service.db.collection('interview_sessions').deleteOne({ session_id: session });
    const closed = await eventually(async () => {
      await sweep();
      const [found] = await running.service.rows(session);
      expect(found).toMatchObject({ state: 'failed', error: { code: 'session_gone' } });
      return found;
    });
    expect(closed).not.toHaveProperty('transcript');
    expect(closed).not.toHaveProperty('transcribed_at');
    expect(JSON.stringify(closed)).not.toContain('Nobody is to read this');
  });
});
