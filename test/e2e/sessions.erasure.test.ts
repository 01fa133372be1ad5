import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { END, filePart, RawUpload } from '../support/raw-upload.js';
import { type Caller, eventually, fresh, type TestService } from '../support/service.js';

const webm = () => fresh('reading.webm');
const ogg = () => fresh('reading.ogg');

let running: ServiceWithEngine;
let service: TestService;
let engine: ServiceWithEngine['engine'];
let alice: Caller;

beforeAll(async () => {
  running = await startWithEngine();
  ({ service, engine } = running);
  alice = await service.user('alice');
});
afterAll(() => running.stop());
beforeEach(() => engine.reset());

const uploadsOf = async (session: string) => (await alice.get(`/api/uploads?session_id=${session}`)).body.items;

describe('erasing a session', () => {
  it('takes everything of it, says what that was, and leaves other sessions alone', async () => {
    const session = await alice.session(['q1', 'q2', 'q3']);
    const other = await alice.session(['q1']);
    await alice.upload(session, 'q1', webm());
    await alice.upload(other, 'q1', webm());
    await alice.post(`/api/text-answer/${session}/q2`, { text: 'A written answer.' });
    await alice.answer(session, 'q1');
    await alice.answer(session, 'q2');
    await alice.answer(other, 'q1');
    engine.otherwise({ does: 'hang' });
    await alice.upload(session, 'q3', ogg());
    await engine.seen(3);
    const ids = (await service.rows(session)).map((row) => row._id);

    const { status, body } = await alice.delete(`/api/sessions/${session}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      session_id: session,
      erased: true,
      answers: 3,
      audio_files: 1,
      audio_bytes: ogg().length,
      transcripts: 2,
      documents: 0,
      erased_at: expect.any(String),
    });

    await eventually(async () => {
      expect(await service.rows(session)).toEqual([]);
      expect(await service.db.collection('attempts').countDocuments({ upload_id: { $in: ids } })).toBe(0);
      expect(await service.db.collection('interview_sessions').countDocuments({ session_id: session })).toBe(0);
      expect(await service.strays()).toEqual([]);
    });
    // The work in hand on the third answer ends, and brings nothing back.
    await engine.hungUp();
    expect(await service.rows(session)).toEqual([]);
    expect((await alice.get(`/api/sessions/${other}`)).body.answers.q1.transcription_status).toBe('completed');
  });

  it('makes every route of it 404, and it can be erased only once', async () => {
    const session = await alice.session(['q1']);
    const { upload_id } = (await alice.upload(session, 'q1', webm())).body;
    await alice.delete(`/api/sessions/${session}`);
    const replies = await Promise.all([
      alice.delete(`/api/sessions/${session}`),
      alice.get(`/api/sessions/${session}`),
      alice.get(`/api/transcription-status/${session}`),
      alice.get(`/api/transcription-status/${session}/q1`),
      alice.post(`/api/analyze/${session}`),
      alice.upload(session, 'q1', webm()),
      alice.post(`/api/text-answer/${session}/q1`, { text: 'Too late.' }),
      alice.get(`/api/uploads/${upload_id}`),
    ]);
    expect(replies.map((reply) => reply.status)).toEqual(Array(8).fill(404));
    expect((await alice.get('/api/sessions')).body.items).not.toContainEqual(expect.objectContaining({ id: session }));
    expect(await uploadsOf(session)).toEqual([]);
  });

  it('under an upload that is arriving leaves no audio of it, and the sender is told', async () => {
    const session = await alice.session(['q1']);
    const upload = await RawUpload.begin(alice, `/api/upload-answer/${session}/q1`, null);
    await upload.write(filePart());
    await upload.write(webm());
    await eventually(async () => expect(await service.rows(session)).toHaveLength(1));
    expect((await alice.delete(`/api/sessions/${session}`)).status).toBe(200);
    await upload.write(END);
    upload.finish();
    const { status, body } = await upload.reply();
    expect([status, body]).toEqual([404, { detail: 'Session not found' }]);
    await eventually(async () => expect(await service.strays()).toEqual([]));
    const rows = await service.rows(session);
    expect(rows.map(({ state, error }) => [state, error.code])).toEqual([['failed', 'session_gone']]);
    expect(await service.db.collection('interview_sessions').countDocuments({ session_id: session })).toBe(0);
  });

  it('frees its id for a new session, which has nothing of the old one', async () => {
    await alice.session(['q1'], { id: 'again' });
    await alice.upload('again', 'q1', webm());
    await alice.delete('/api/sessions/again');
    await alice.session(['q1'], { id: 'again' });
    expect((await alice.get('/api/sessions/again')).body.answers).toEqual({});
    expect((await alice.upload('again', 'q1', webm())).body.duplicate).toBe(false);
  });
});
