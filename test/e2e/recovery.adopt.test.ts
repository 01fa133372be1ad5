import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Adopter } from '../../src/recovery/adopter.js';
import { adoptCommand } from '../../src/recovery/recovery.commands.js';
import { AudioStore } from '../../src/storage/audio-store.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, eventually, type Json, speech, type TestService } from '../support/service.js';
import { plantFile } from './recovery.bytes.js';

const WEBM = speech('reading.webm');
const said = (question: string) => Buffer.concat([WEBM, Buffer.from(question)]);
const TEXT = 'I found the lock that two jobs shared, split it, and failures went from nine a week to none.';

let running: ServiceWithEngine;
let service: TestService;
let alice: Caller;

const start = async (role: 'api' | 'all') => {
  running = await startWithEngine(role);
  service = running.service;
  running.engine.otherwise({ does: 'answer', text: TEXT });
  alice = await service.user('alice');
};
afterEach(async () => {
  jest.restoreAllMocks();
  await running.stop();
});

const adopt = async (...args: string[]): Promise<Json> =>
  JSON.parse(await adoptCommand(args, (use) => use(service.service.app)));
const sessions = () => service.db.collection('interview_sessions');

/** Audio and answer, as the service before this one stored them. */
async function oldAnswer(session: string, question: string, set: Record<string, unknown> = {}): Promise<Json> {
  const created_at = new Date('2026-01-02T03:04:05Z');
  const metadata = { session_id: session, question_id: question, user_id: 'alice', upload_date: created_at };
  const file =
    set['gridfs_file_id'] === null
      ? null
      : await plantFile(service.db, { ...metadata, status: 'queued' }, said(question));
  return {
    id: new mongo.ObjectId().toHexString(),
    question_id: question,
    gridfs_file_id: file?.toHexString() ?? null,
    transcription_status: 'queued',
    transcript: null,
    created_at,
    ...set,
  };
}

/** A session of the service before this one: one answer in each state. */
async function oldSession(session_id = 'old-1'): Promise<Json> {
  const gone = { gridfs_file_id: null };
  const answers = {
    queued: await oldAnswer(session_id, 'queued'),
    processing: await oldAnswer(session_id, 'processing', { transcription_status: 'processing' }),
    completed: await oldAnswer(session_id, 'completed', {
      transcription_status: 'completed',
      transcript: TEXT,
      ...gone,
    }),
    scored: await oldAnswer(session_id, 'scored', {
      transcription_status: 'completed',
      transcript: TEXT,
      score: 61,
      ...gone,
    }),
    failed: await oldAnswer(session_id, 'failed', {
      transcription_status: 'failed',
      transcription_error: 'No.',
      ...gone,
    }),
    lost: await oldAnswer(session_id, 'lost', gone),
  };
  await sessions().insertOne({ session_id, user_id: 'alice', answers });
  return answers;
}

describe('adopt', () => {
  it('takes over sessions in place: what waited is transcribed and scored, what was done is shown, what failed stays so', async () => {
    await start('all');
    const old = await oldSession();
    expect((await alice.get('/api/sessions/old-1')).status).toBe(404);
    expect((await alice.get('/api/sessions')).body.items).toEqual([]);

    expect(await adopt()).toMatchObject({
      dry_run: false,
      sessions: 1,
      answers: { queued: 2, completed: 2, to_score: 1, failed: 2 },
      dropped_indexes: [],
      left_count: 0,
    });
    for (const question of ['queued', 'processing', 'completed']) {
      const answer = await alice.answer('old-1', question);
      expect(answer).toMatchObject({ id: old[question].id, transcription_status: 'completed', transcript: TEXT });
      expect([answer.created_at, typeof answer.score]).toEqual(['2026-01-02T03:04:05.000Z', 'number']);
    }
    expect((await alice.answer('old-1', 'queued')).size).toBe(said('queued').length);
    const { answers } = (await alice.get('/api/sessions/old-1')).body;
    expect(answers.scored).toMatchObject({ transcript: TEXT, score: 61, scorer: 'adopted' });
    expect(answers.failed).toMatchObject({ transcription_status: 'failed', transcription_error: 'No.' });
    expect(answers.lost).toMatchObject({ transcription_status: 'failed' });
    expect((await alice.get(`/api/uploads/${old.lost.id}`)).body.stages[0].error.code).toBe('audio_lost');
    expect((await alice.post('/api/analyze/old-1')).body).toMatchObject({ status: 'success', scored_count: 4 });
    await eventually(async () => expect(await service.strays()).toEqual([]));
  });

  it('keeps the audio of failed answers to be tried again, as long as if they had failed today', async () => {
    await start('all');
    const failed = await oldAnswer('old-1', 'failed', { transcription_status: 'failed', transcription_error: 'No.' });
    await sessions().insertOne({ session_id: 'old-1', user_id: 'alice', answers: { failed } });
    await adopt();
    const admin = await service.user('root', 'admin');
    expect((await admin.post('/api/admin/cleanup?hours=0')).body.deleted_count).toBe(0);
    expect((await admin.post(`/api/admin/dead-letters/${failed.id}/retry`)).body.state).toBe('due');
    expect(await alice.answer('old-1', 'failed')).toMatchObject({ transcript: TEXT, score: expect.any(Number) });
  });

  it('archives what a session keeps, whether or not it was transcribed before', async () => {
    await start('all');
    const answers = {
      queued: await oldAnswer('old-1', 'queued'),
      completed: await oldAnswer('old-1', 'completed', { transcription_status: 'completed', transcript: TEXT }),
    };
    await sessions().insertOne({ session_id: 'old-1', user_id: 'alice', retain_audio: true, answers });
    await adopt();
    const admin = await service.user('root', 'admin');
    expect((await admin.post('/api/admin/cleanup?hours=0')).body.deleted_count).toBe(0);
    for (const { id } of Object.values(answers))
      await eventually(async () => {
        expect((await alice.get(`/api/uploads/${id}`)).body).toMatchObject({ status: 'completed', audio: 'archived' });
      });
    expect((await alice.answer('old-1', 'completed')).audio_url).toBe(`/api/uploads/${answers.completed.id}/audio`);
  });

  it('drops the index by which the service before this one knew each session id once', async () => {
    await start('api');
    await oldSession('shared-id');
    await sessions().createIndex({ session_id: 1 }, { unique: true, name: 'session_id_1' });
    const bob = await service.user('bob');
    const names = async () => (await sessions().indexes()).map(({ name }) => name);

    expect((await adopt('--dry-run')).dropped_indexes).toEqual(['session_id_1']);
    expect(await names()).toContain('session_id_1');
    expect((await adopt()).dropped_indexes).toEqual(['session_id_1']);
    expect(await names()).not.toContain('session_id_1');
    expect(await bob.session([], { id: 'shared-id' })).toBe('shared-id');
    expect((await adopt()).dropped_indexes).toEqual([]);
  });

  it('can be repeated: what is adopted stays as it is, and what came since is adopted too', async () => {
    await start('api');
    await oldSession('old-1');
    await adopt();
    const before = await service.rows('old-1');
    await oldSession('old-2');
    expect(await adopt()).toMatchObject({ sessions: 1, answers: { queued: 2 } });
    expect(await service.rows('old-1')).toEqual(before);
    expect(await adopt()).toMatchObject({
      sessions: 0,
      answers: { queued: 0, completed: 0, failed: 0 },
      dropped_indexes: [],
      left_count: 0,
    });
    const retake = await alice.upload('old-1', 'queued', Buffer.concat([WEBM, Buffer.from('other')]));
    expect(retake.body).toMatchObject({ duplicate: false, transcription_status: 'queued' });
    const again = await alice.upload('old-1', 'processing', said('processing'));
    expect(again.body.duplicate).toBe(true);
  });

  it.each(['prepare', 'refer', 'activate'])('goes on where it was cut short, at %s', async (step) => {
    await start('all');
    await oldSession();
    const steps = Adopter.prototype as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const real = steps[step]!;
    const cut = jest.spyOn(steps, step).mockImplementationOnce(async function (this: unknown, ...args: unknown[]) {
      // Of the last step not even the beginning.
      if (step !== 'activate') await real.apply(this, args);
      throw new Error('cut short');
    });
    await expect(adopt()).rejects.toThrow('cut short');
    cut.mockRestore();
    // Several sweeps pass over what is half done.
    for (let i = 0; i < 3; i++) await sweepAgain();
    await adopt();
    for (const question of ['queued', 'processing', 'completed']) {
      expect(await alice.answer('old-1', question)).toMatchObject({ transcript: TEXT, score: expect.any(Number) });
    }
    expect(await service.rows('old-1')).toHaveLength(6);
    expect(running.engine.requests).toHaveLength(2);
    expect(await sessions().countDocuments({ adopting: { $exists: true } })).toBe(0);
    await eventually(async () => expect(await service.strays()).toEqual([]));
  });

  it.each(['rowsOf', 'prepare', 'annotate'])('does no harm beside another run that is quicker, at %s', async (step) => {
    await start('all');
    await oldSession();
    const store: unknown = service.service.app.get(AudioStore, { strict: false });
    const steps = (step === 'annotate' ? store : Adopter.prototype) as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    const real = steps[step]!;
    let done: Json[] = [];
    const stages = async () => (await service.rows('old-1')).map(({ _id, state, stages }) => ({ _id, state, stages }));
    jest.spyOn(steps, step).mockImplementationOnce(async function (this: unknown, ...args: unknown[]) {
      await adopt();
      for (const question of ['queued', 'processing', 'completed']) await alice.answer('old-1', question);
      done = await stages();
      return real.apply(this, args);
    });
    await adopt();
    expect(done).toHaveLength(6);
    expect(await stages()).toEqual(done);
    expect(await service.db.collection('uploads').countDocuments({ adopting: { $exists: true } })).toBe(0);
    expect(await sessions().countDocuments({ adopting: { $exists: true } })).toBe(0);
  });

  it('asks for the sessions of files that are left over once for many of them', async () => {
    await start('api');
    const q1 = await oldAnswer('of-nobody', 'q1');
    await sessions().insertOne({ session_id: 'of-nobody', answers: { q1 } });
    const files = Array.from({ length: 300 }, (_, index) => ({
      _id: new mongo.ObjectId(),
      length: 0,
      metadata: { session_id: index % 2 ? 'of-nobody' : `gone-${index}`, question_id: 'q1' },
    }));
    await service.db.collection('fs.files').insertMany(files);
    const reads = jest.fn();
    const methods = mongo.Collection.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of ['find', 'findOne']) {
      const real = methods[name]!;
      jest.spyOn(methods, name).mockImplementation(function (this: unknown, ...args: unknown[]) {
        if ((this as mongo.Collection).collectionName === 'interview_sessions') reads();
        return real.apply(this, args);
      });
    }
    const { left_count, left } = await adopt('--dry-run');
    // The session of nobody is one of them, and the file that it names is none.
    expect(left_count).toBe(301);
    expect(left.map((each: Json) => each.file_id)).not.toContain(q1.gridfs_file_id);
    expect(reads.mock.calls.length).toBeLessThan(10);
  });

  it('leaves alone, and names, what it cannot take over', async () => {
    await start('api');
    await alice.session([], { id: 'both' });
    await sessions().insertMany([
      { session_id: 'both', user_id: 'alice', answers: {} },
      { session_id: 'not an id', user_id: 'alice', answers: {} },
      { session_id: 'of-nobody', answers: {} },
    ]);
    const stray = await plantFile(service.db, { session_id: 'gone', question_id: 'q1', user_id: 'alice' }, WEBM);
    const { sessions: adopted, left } = await adopt();
    expect([adopted, left.length]).toEqual([0, 4]);
    expect(left.map((each: Json) => each.session_id)).toEqual(['both', 'not an id', 'of-nobody', 'gone']);
    expect(left[3]).toMatchObject({ file_id: stray.toHexString(), question_id: 'q1' });
    for (const each of left) expect(each.reason.length).toBeGreaterThan(10);
  });

  it('goes on behind a session whose answers are none', async () => {
    await start('api');
    const rest = await oldAnswer('odd', 'rest');
    await sessions().insertMany([
      { session_id: 'odd', user_id: 'alice', answers: { rest, skipped: null } },
      { session_id: 'words', user_id: 'alice', answers: { q1: 'an answer' } },
      { session_id: 'list', user_id: 'alice', answers: ['an answer'] },
      { session_id: 'empty', user_id: 'alice', answers: null },
    ]);
    await oldSession('behind');
    const { sessions: adopted, left } = await adopt();
    expect(adopted).toBe(2);
    expect(left).toEqual([
      { session_id: 'odd', reason: 'its answer to skipped is none' },
      { session_id: 'words', reason: 'its answer to q1 is none' },
      { session_id: 'list', reason: 'its answers are none' },
    ]);
    expect((await alice.get('/api/sessions/behind')).status).toBe(200);
  });

  it('with --dry-run says what it would do, and changes nothing', async () => {
    await start('api');
    await oldSession();
    const all = (name: string) => service.db.collection(name).find().sort({ _id: 1 }).toArray();
    const state = () => Promise.all(['interview_sessions', 'uploads', 'fs.files'].map(all));
    const before = await state();
    const dry = await adopt('--dry-run');
    expect(await state()).toEqual(before);
    expect({ ...(await adopt()), dry_run: true }).toEqual(dry);
  });
});

describe('until they are adopted', () => {
  it('sessions and files of the service before this one are left alone by sweep and cleanup', async () => {
    await start('all');
    await oldSession();
    const state = () =>
      Promise.all(
        ['interview_sessions', 'fs.files', 'fs.chunks'].map((name) => service.db.collection(name).find().toArray()),
      );
    const before = await state();
    const admin = await service.user('root', 'admin');
    expect((await admin.post('/api/admin/cleanup?hours=0')).body.deleted_count).toBe(0);
    await service.db.collection<Json>('locks').updateOne({ _id: 'sweep' }, { $unset: { cleaned_at: 1 } });
    await sweepAgain();
    await sweepAgain();
    expect(await state()).toEqual(before);
  });
});

/** Resolves when a whole sweep, with its rare steps, has gone by. */
async function sweepAgain(): Promise<void> {
  const locks = service.db.collection<Json>('locks');
  await eventually(async () => {
    const { modifiedCount } = await locks.updateOne({ _id: 'sweep' }, { $unset: { cleaned_at: 1 } });
    expect(modifiedCount).toBe(1);
  });
  await eventually(async () => expect(await locks.findOne({ _id: 'sweep' })).toHaveProperty('cleaned_at'));
}
