import { createHash } from 'node:crypto';
import { mongo } from 'mongoose';
import { startOpenAiServer } from '../support/openai-server.js';
import { type Json, type TestService, eventually, fresh, speech, startTestService } from '../support/service.js';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('the same bytes again', () => {
  const bytes = speech('answer-0880.webm');
  let engine: Awaited<ReturnType<typeof startOpenAiServer>>;
  let service: TestService;

  beforeAll(async () => {
    engine = await startOpenAiServer();
    service = await startTestService('all', {
      TRANSCRIBER: 'openai',
      SCORER: 'rubric',
      OPENAI_API_KEY: 'a-key',
      OPENAI_BASE_URL: engine.url,
    });
  });
  afterAll(async () => {
    await service.stop();
    await engine.close();
  });

  it('are known to their owner before they are sent, and to nobody else', async () => {
    const alice = await service.user('alice');
    const session = await alice.session();
    const { body: sent } = await alice.upload(session, 'q1', bytes);
    const unknown = 'f'.repeat(64);
    const ask = { sha256: [sha256(bytes).toUpperCase(), unknown] };

    const { status, body } = await alice.post('/api/uploads/check', ask);
    expect(status).toBe(200);
    expect(body).toEqual({
      known: [
        {
          sha256: sha256(bytes),
          upload_id: sent.upload_id,
          session_id: session,
          question_id: 'q1',
          status: expect.any(String),
        },
      ],
      missing: [unknown],
    });
    const { body: toBob } = await (await service.user('bob')).post('/api/uploads/check', ask);
    expect(toBob).toEqual({ known: [], missing: [sha256(bytes), unknown] });
  });

  it('are missing where their audio is gone and their transcription failed, and known while it can be tried again', async () => {
    const erin = await service.user('erin');
    const session = await erin.session();
    const recording = fresh('answer-0880.webm');
    const { upload_id } = (await erin.upload(session, 'q1', recording)).body;
    await erin.answer(session, 'q1');
    const hash = sha256(recording);
    const check = async (): Promise<Json> => (await erin.post('/api/uploads/check', { sha256: [hash] })).body;
    const failed = (audio_state: string) =>
      service.db
        .collection('uploads')
        .updateOne(
          { _id: new mongo.ObjectId(upload_id as string) },
          { $set: { audio_state, 'stages.transcription.state': 'failed' } },
        );

    expect((await check()).missing).toEqual([]);
    await failed('stored');
    expect(await check()).toMatchObject({ known: [{ upload_id, status: 'failed' }], missing: [] });
    for (const gone of ['deleting', 'deleted']) {
      await failed(gone);
      expect(await check()).toEqual({ known: [], missing: [hash] });
    }
  });

  it('are known however often others of the same question were sent after them', async () => {
    const often = sha256(Buffer.from('often'));
    const once = sha256(Buffer.from('once'));
    const committed = { user_id: 'frank', state: 'committed', source: 'audio', session_id: 's', stages: {} };
    const sent = (hash: string, question_id: string) => ({ ...committed, sha256: hash, question_id });
    const rows = service.db.collection('uploads');
    const { insertedId } = await rows.insertOne(sent(once, 'q0'));
    await rows.insertMany(Array.from({ length: 1200 }, (_, index) => sent(often, `q${index + 1}`)));

    const frank = await service.user('frank');
    const { body } = await frank.post('/api/uploads/check', { sha256: [often, once] });
    expect(body.missing).toEqual([]);
    expect(body.known).toHaveLength(1000);
    expect(body.known[0]).toMatchObject({ sha256: often, question_id: 'q1200' });
    expect(body.known.at(-1)).toMatchObject({ sha256: once, upload_id: insertedId.toHexString() });
    await rows.deleteMany({ user_id: 'frank' });
  });

  it('are refused as a question when they are no hashes', async () => {
    const alice = await service.user('alice');
    const { status, body } = await alice.post('/api/uploads/check', { sha256: ['nonsense'] });
    expect(status).toBe(422);
    expect(body.detail[0]).toMatchObject({ type: 'string_pattern_mismatch', loc: ['body', 'sha256', 0] });
    expect((await alice.post('/api/uploads/check', { sha256: [] })).status).toBe(422);
  });

  it('are transcribed once for a user, and once more for another', async () => {
    engine.reset();
    const recording = speech('answer-0920.webm');
    const carol = await service.user('carol');
    const session = await carol.session();
    await carol.upload(session, 'q1', recording);
    const first = await carol.answer(session, 'q1');
    await carol.upload(session, 'q2', recording);
    const second = await carol.answer(session, 'q2');
    expect(second.transcript).toBe(first.transcript);
    expect(engine.requests).toHaveLength(1);

    const dave = await service.user('dave');
    const other = await dave.session();
    await dave.upload(other, 'q1', recording);
    await dave.answer(other, 'q1');
    expect(engine.requests).toHaveLength(2);

    const { body: metrics } = await carol.get('/metrics');
    expect(metrics).toMatch(/vivavoce_transcript_cache_total\{outcome="hit"\} 1\b/);
    await eventually(async () => expect(await service.strays()).toEqual([]));
  });
});
