import { jest } from '@jest/globals';
import { getConnectionToken } from '@nestjs/mongoose';
import { type Connection, mongo } from 'mongoose';
import { AnswerTarget } from '../../src/answers/answer.target.js';
import { Takes } from '../../src/answers/takes.js';
import { SessionRepository } from '../../src/sessions/session.repository.js';
import { Ledger, type NewUpload } from '../../src/uploads/ledger.js';
import { StageLedger } from '../../src/uploads/stage-ledger.js';
import { dueStage } from '../../src/uploads/upload.schema.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Json, fresh } from '../support/service.js';

describe('a take that a newer one replaced', () => {
  let running: ServiceWithEngine;

  beforeAll(async () => {
    running = await startWithEngine('api');
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => running.stop());

  it('takes no result of a stage that was claimed while it was replaced', async () => {
    const { app } = running.service.service;
    const ledger = app.get(Ledger, { strict: false });
    const stages = app.get(StageLedger, { strict: false });
    const alice = await running.service.user('alice');
    const session = await alice.session([], { retain_audio: true });
    const id = (await alice.upload(session, 'q1', fresh('answer-0880.webm'))).body.upload_id as string;
    const _id = new mongo.ObjectId(id);
    const seen = await ledger.find(id);
    const archive = dueStage(new Date());
    await ledger.rows.updateOne({ _id }, { $set: { 'stages.transcription.state': 'done', 'stages.archive': archive } });
    const claim = (await stages.claim(_id, 'archive', 'a-worker'))!;
    jest.spyOn(ledger, 'find').mockResolvedValueOnce(seen);
    expect(await ledger.supersede(id, new mongo.ObjectId().toHexString())).not.toBeNull();

    expect(await stages.renew(claim)).toBe(false);
    expect(await stages.complete(claim, { kept_state: 'kept', audio_state: 'deleting' })).toBe(false);
    const row: Json = await ledger.rows.findOne({ _id });
    expect(row).toMatchObject({
      state: 'superseded',
      kept_state: 'releasing',
      stages: { archive: { state: 'processing' } },
    });
  });

  it('does not come back over it, where the sweep had made it current while its request was held up', async () => {
    const { app } = running.service.service;
    const ledger = app.get(Ledger, { strict: false });
    const alice = await running.service.user('alice');
    const session = await alice.session([]);
    const seen = (await app.get(SessionRepository, { strict: false }).find('alice', session))!;
    const later = (await alice.upload(session, 'q1', fresh('answer-0880.webm'))).body.upload_id as string;

    const _id = new mongo.ObjectId();
    const sha256 = 'a'.repeat(64);
    const upload: NewUpload = {
      ...{ _id, kind: 'answer', user_id: 'alice', session_id: session, question_id: 'q1' },
      ...{ language: null, retain_audio: false, correlation_id: null, file_name: null },
    };
    const takes = app.get(Takes, { strict: false });
    const accepted = await takes.accept(seen, {
      ...{ questionId: 'q1', source: 'text', sha256, language: null, firstStage: 'analysis' },
      commit: async () => {
        await ledger.insertText(upload, 'Mine.', sha256);
        const committed_at = new Date(Date.now() - 60_000);
        await ledger.rows.updateOne({ _id }, { $set: { committed_at } });
        return (await ledger.find(_id))!;
      },
      repeats: () => Promise.reject(new Error('It repeats nothing')),
      giveUp: ({ message }) => Promise.reject(new Error(message)),
    });

    expect(accepted).toMatchObject({ uploadId: _id.toHexString(), duplicate: false });
    expect(await alice.answer(session, 'q1', () => true)).toMatchObject({ id: later });
    const states = await Promise.all([later, _id].map(async (id) => (await ledger.find(id))?.state));
    expect(states).toEqual(['committed', 'superseded']);
  });

  it('does not end it by the clock of a process that is ahead, where the sweep links the older one beside it', async () => {
    const { app } = running.service.service;
    const ledger = app.get(Ledger, { strict: false });
    const sessions = app.get(SessionRepository, { strict: false });
    const alice = await running.service.user('alice');
    const session = await alice.session([]);
    const sent = async () => (await alice.upload(session, 'q1', fresh('answer-0880.webm'))).body.upload_id as string;
    const older = new mongo.ObjectId(await sent());
    const aMinuteAhead = { committed_at: new Date(Date.now() + 60_000), link_due: true as const };
    await ledger.rows.updateOne({ _id: older }, { $set: aMinuteAhead });
    await app
      .get<Connection>(getConnectionToken())
      .collection('interview_sessions')
      .updateOne({ session_id: session }, { $unset: { 'answers.q1': 1 } });
    const replaceAnswer = sessions.replaceAnswer.bind(sessions);
    let newer = '';
    jest.spyOn(sessions, 'replaceAnswer').mockImplementationOnce(async (...asked) => {
      const linked = await replaceAnswer(...asked);
      newer = await sent();
      return linked;
    });
    await app.get(AnswerTarget, { strict: false }).link((await ledger.find(older))!);

    expect(await alice.answer(session, 'q1', () => true)).toMatchObject({ id: newer });
    const states = await Promise.all([newer, older].map(async (id) => (await ledger.find(id))?.state));
    expect(states).toEqual(['committed', 'superseded']);
  });
});
