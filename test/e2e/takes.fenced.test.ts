import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Ledger } from '../../src/uploads/ledger.js';
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
});
