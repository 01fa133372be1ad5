import { mongo } from 'mongoose';
import { AnswerTarget } from '../../src/answers/answer.target.js';
import { Ledger } from '../../src/uploads/ledger.js';
import type { Upload } from '../../src/uploads/upload.schema.js';
import { type Caller, type Json, type TestService, startTestService } from '../support/service.js';

const MOST_BYTES = 16 * 1024 * 1024;
const FULL = 'The session is full: all that is in its answers is as much as one session can hold';

let service: TestService;
let alice: Caller;
let ledger: Ledger;
let target: AnswerTarget;

beforeAll(async () => {
  service = await startTestService('api');
  alice = await service.user('alice');
  ledger = service.service.app.get(Ledger, { strict: false });
  target = service.service.app.get(AnswerTarget, { strict: false });
});
afterAll(() => service.stop());

/** As it is stored, long texts by their lengths. */
async function answerOf(session: string): Promise<Json> {
  const stored: Json = await service.db.collection('interview_sessions').findOne({ session_id: session });
  const { transcript, segments, ...rest } = stored.answers.q1;
  return { ...rest, characters: transcript?.length ?? null, segments: segments.length };
}

/** A session with one short answer, and room for so many bytes more. */
async function sessionWithRoom(bytes: number): Promise<{ session: string; row: Upload }> {
  const session = await alice.session([]);
  await alice.post(`/api/text-answer/${session}/q1`, { text: 'Short.' });
  const row = (await ledger.rows.findOne({ session_id: session, question_id: 'q1' }))!;
  const sessions = service.db.collection('interview_sessions');
  const size = mongo.BSON.calculateObjectSize((await sessions.findOne({ session_id: session }))!);
  const padding = 'x'.repeat(MOST_BYTES - size - bytes);
  await sessions.updateOne({ session_id: session }, { $set: { padding } });
  return { session, row };
}

describe('a session that is as large as a document can be', () => {
  it('refuses another answer, and leaves nothing for the sweep', async () => {
    const { session } = await sessionWithRoom(50_000);
    const reply = await alice.post(`/api/text-answer/${session}/q2`, { text: '🙂'.repeat(20_000) });
    expect([reply.status, reply.body]).toEqual([409, { detail: FULL }]);
    const row: Json = await ledger.rows.findOne({ session_id: session, question_id: 'q2' });
    expect(row).toMatchObject({ state: 'failed', error: { code: 'session_full' } });
    expect(row.link_due).toBeUndefined();
    expect((await alice.post(`/api/text-answer/${session}/q3`, { text: 'Short.' })).status).toBe(200);
  });

  it('takes of many at once what fits, and refuses each of the others', async () => {
    const { session } = await sessionWithRoom(200_000);
    const ids = ['q2', 'q3', 'q4', 'q5', 'q6', 'q7'];
    const write = (id: string) => alice.post(`/api/text-answer/${session}/${id}`, { text: '🙂'.repeat(20_000) });
    const statuses = (await Promise.all(ids.map(write))).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 200, 409, 409, 409, 409]);
    const { summary } = (await alice.get(`/api/transcription-status/${session}`)).body;
    expect(summary.total).toBe(3);
    expect(await ledger.rows.countDocuments({ session_id: session, state: 'failed' })).toBe(4);
  });

  it('ends an answer whose request was cut short', async () => {
    const { session } = await sessionWithRoom(50_000);
    const _id = new mongo.ObjectId();
    const upload = {
      ...{ _id, kind: 'answer' as const, user_id: 'alice', session_id: session, question_id: 'q2' },
      ...{ language: null, retain_audio: false, correlation_id: null, file_name: null },
    };
    await ledger.insertText(upload, '🙂'.repeat(20_000), 'a'.repeat(64));
    await target.link((await ledger.find(_id))!);
    expect(await ledger.find(_id)).toMatchObject({ state: 'failed', error: { code: 'session_full' } });
  });

  const text = 'x'.repeat(30_000);
  const segments = [{ start: 0, end: 1, text: 'y'.repeat(30_000) }];
  const transcript = { text, segments, language: 'en', duration: 1, transcriber: 'local' };
  const analysis = {
    score: 80,
    modelAnswer: null,
    criteria: [],
    feedback: ['z'.repeat(30_000)],
    notScorable: null,
    scorer: 'rubric',
  };
  it.each([
    [120_000, { characters: 30_000, segments: 1, score: 80 }],
    [80_000, { characters: 30_000, segments: 0, score: 80, analysis_status: 'done' }],
    [50_000, { characters: 30_000, segments: 0, score: null, analysis_status: 'failed', analysis_error: FULL }],
    [10_000, { characters: null, score: null, transcription_status: 'failed', transcription_error: FULL }],
  ])('with room for %i bytes shows as much of a result as it can', async (room, shown) => {
    const { session, row } = await sessionWithRoom(room);
    const stages = { ...row.stages, analysis: { ...row.stages.analysis!, state: 'done' as const } };
    await target.project({ ...row, version: row.version + 1000, stages, transcript, analysis });
    expect(await answerOf(session)).toMatchObject(shown);
  });
});
