import { mongo } from 'mongoose';
import { TransientError } from '../../src/common/app-error.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { StageLedger } from '../../src/uploads/stage-ledger.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { fresh } from '../support/service.js';

describe('the history of a stage', () => {
  let running: ServiceWithEngine;

  beforeAll(async () => {
    running = await startWithEngine('api');
  });
  afterAll(() => running.stop());

  it('has one row for tries that are not counted and end alike, and one for each that is', async () => {
    const { app } = running.service.service;
    const stages = app.get(StageLedger, { strict: false });
    const ledger = app.get(Ledger, { strict: false });
    const alice = await running.service.user('alice');
    const { upload_id } = (await alice.upload(await alice.session(), 'q1', fresh('answer-0880.webm'))).body;
    const _id = new mongo.ObjectId(upload_id as string);
    const fail = async (code: string, uncounted: boolean) => {
      await ledger.rows.updateOne({ _id }, { $set: { 'stages.transcription.due_at': new Date() } });
      const claim = (await stages.claim(_id, 'transcription', 'a-worker'))!;
      await stages.fail(claim, { code, message: 'No.' }, new TransientError(code, 'No.', { uncounted }));
      return claim.claimedAt;
    };
    const first = await fail('archive_away', true);
    for (let i = 1; i < 5; i++) await fail('archive_away', true);
    await fail('audio_busy', true);
    for (let i = 0; i < 2; i++) await fail('archive_altered', false);

    const { stages: shown } = (await alice.get(`/api/uploads/${upload_id}`)).body;
    expect(shown[0].attempts).toBe(2);
    expect(shown[0].history).toMatchObject([
      { number: 1, times: 5, from: first.toISOString(), error: { code: 'archive_away' } },
      { number: 1, times: 1, error: { code: 'audio_busy' } },
      { number: 1, times: 1, error: { code: 'archive_altered' } },
      { number: 2, times: 1, error: { code: 'archive_altered' } },
    ]);
    expect(Date.parse(shown[0].history[0].to)).toBeGreaterThan(first.getTime());
  });
});
