import { type Caller, eventually, speech, startTestService, type TestService } from '../support/service.js';

const WEBM = speech('reading.webm');
const OGG = speech('reading.ogg');

let service: TestService;
let alice: Caller;
let session: string;

beforeAll(async () => {
  service = await startTestService('api');
  alice = await service.user('alice');
});
afterAll(() => service.stop());
beforeEach(async () => {
  session = await alice.session(['q1', 'q2']);
});

const key = (value: string) => ({ headers: { 'idempotency-key': value } });
const clean = () => eventually(async () => expect(await service.strays()).toEqual([]));

describe('an upload with an Idempotency-Key', () => {
  it('sent again with the same bytes gets the first response again, and leaves no second file', async () => {
    const first = await alice.upload(session, 'q1', WEBM, key('one'));
    const again = await alice.upload(session, 'q1', WEBM, key('one'));
    expect(first.body.duplicate).toBe(false);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await service.files(session)).toHaveLength(1);
    await clean();
  });

  it('gets the first response again even when a newer take has replaced it', async () => {
    const first = await alice.upload(session, 'q1', WEBM, key('two'));
    const newer = await alice.upload(session, 'q1', OGG);
    const again = await alice.upload(session, 'q1', WEBM, key('two'));
    expect(again.body).toEqual(first.body);
    expect((await alice.get(`/api/sessions/${session}`)).body.answers.q1.id).toBe(newer.body.upload_id);
    await clean();
  });

  it('sent again with another language is a 409', async () => {
    const german = { ...key('tongue'), fields: { language: 'de' } };
    expect((await alice.upload(session, 'q1', WEBM, key('tongue'))).status).toBe(200);
    expect((await alice.upload(session, 'q1', WEBM, german)).status).toBe(409);
    await clean();
  });

  it('is an upload of its own once the session was erased: what was answered about it goes with it', async () => {
    const made = () => alice.post('/api/sessions/', { id: 'again', questions: [] }, key('make').headers);
    const sent = () => alice.upload('again', 'q1', WEBM, key('send'));
    const written = () => alice.post('/api/text-answer/again/q2', { text: 'An answer.' }, key('write').headers);
    for (const times of [1, 2]) {
      for (const request of [made, sent, written]) {
        expect((await request()).headers.get('idempotency-replayed')).toBeNull();
      }
      const { body } = await alice.get('/api/transcription-status/again');
      expect([times, body.summary.total]).toEqual([times, 2]);
      expect((await sent()).headers.get('idempotency-replayed')).toBe('true');
      await alice.delete('/api/sessions/again');
      const kept = service.db.collection('idempotency_keys').find({ body: /again/ });
      expect(await kept.toArray()).toEqual([]);
    }
    await clean();
  });

  it('is not answered with an upload that is gone, where what was answered stayed when its session was erased', async () => {
    const made = () => alice.session(['q1'], { id: 'late' });
    const sent = () => alice.upload('late', 'q1', WEBM, key('late'));
    await made();
    const { body: first } = await sent();
    // As a request leaves it that ends after the erasure.
    await service.db.collection('idempotency_keys').updateMany({ session_id: 'late' }, { $unset: { session_id: 1 } });
    await alice.delete('/api/sessions/late');
    await made();
    const again = await sent();
    expect(again.body).toMatchObject({ duplicate: false });
    expect(again.body.upload_id).not.toBe(first.upload_id);
    expect(again.headers.get('idempotency-replayed')).toBeNull();
    expect((await alice.get('/api/transcription-status/late')).body.summary).toMatchObject({ total: 1 });
    await clean();
  });

  it('sent again with other bytes is a 409, and nothing of them is kept', async () => {
    const first = await alice.upload(session, 'q1', WEBM, key('three'));
    const other = await alice.upload(session, 'q1', OGG, key('three'));
    expect([other.status, other.body]).toEqual([409, { detail: 'This Idempotency-Key was used with other content' }]);
    await clean();
    expect((await service.files(session)).map((file) => String(file._id))).toEqual([first.body.file_id]);
    expect((await service.rows(session)).map((row) => row.state)).toEqual(['committed', 'failed']);
  });

  it('is one upload when it is sent several times at once', async () => {
    const send = () => alice.upload(session, 'q1', WEBM, key('four'));
    const replies = await Promise.all([send(), send(), send(), send()]);
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 200]);
    for (const reply of replies) expect(reply.body).toEqual(replies[0].body);
    expect(replies[0].body.duplicate).toBe(false);
    expect(await service.files(session)).toHaveLength(1);
    await clean();
  });

  it('that was refused may be put right and sent again under its key', async () => {
    const refused = await alice.upload(session, 'q1', Buffer.from('no audio'), key('five'));
    expect(refused.status).toBe(415);
    const right = await alice.upload(session, 'q1', WEBM, key('five'));
    expect([right.status, right.body.duplicate]).toEqual([200, false]);
    await clean();
  });

  it('is another for another question, and for another user', async () => {
    const one = await alice.upload(session, 'q1', WEBM, key('six'));
    const two = await alice.upload(session, 'q2', WEBM, key('six'));
    expect(two.body.upload_id).not.toBe(one.body.upload_id);
    const bob = await service.user('bob');
    const his = await bob.session(['q1'], { id: session });
    const bobs = await bob.upload(his, 'q1', OGG, key('six'));
    expect([bobs.status, bobs.body.duplicate]).toEqual([200, false]);
  });
});
