import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { filePart, RawUpload } from '../support/raw-upload.js';
import { type Caller, eventually, type Json, fresh, type TestService } from '../support/service.js';

const webm = () => fresh('reading.webm');
const ogg = () => fresh('reading.ogg');
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let running: ServiceWithEngine;
let service: TestService;
let engine: ServiceWithEngine['engine'];

beforeAll(async () => {
  running = await startWithEngine();
  ({ service, engine } = running);
});
afterAll(() => running.stop());
beforeEach(() => engine.reset());

const ids = (reply: { body: Json }): string[] => reply.body.items.map((item: Json) => item.upload_id);

describe('an upload', () => {
  it('shows its stages with every attempt, and the correlation id of its request', async () => {
    const alice = await service.user('alice');
    const session = await alice.session(['q1']);
    const upload = await alice.upload(session, 'q1', webm(), { headers: { 'x-correlation-id': 'my-own-id-1' } });
    expect(upload.headers.get('x-correlation-id')).toBe('my-own-id-1');
    await alice.answer(session, 'q1');
    await eventually(async () => {
      const { status, body } = await alice.get(`/api/uploads/${upload.body.upload_id}`);
      expect(status).toBe(200);
      const stage = (name: string) => ({
        name,
        state: 'done',
        attempts: 1,
        due_at: TIME,
        started_at: TIME,
        finished_at: TIME,
        error: null,
        history: [
          {
            number: 1,
            outcome: 'done',
            worker: expect.any(String),
            from: TIME,
            to: TIME,
            error: null,
            correlation_id: 'my-own-id-1',
            times: 1,
          },
        ],
      });
      expect(body).toEqual({
        upload_id: upload.body.upload_id,
        kind: 'answer',
        source: 'audio',
        status: 'completed',
        session_id: session,
        question_id: 'q1',
        file_name: 'answer.webm',
        content_type: 'audio/webm',
        size: webm().length,
        sha256: upload.body.sha256,
        audio: 'deleted',
        language: null,
        duplicate_of: null,
        superseded_by: null,
        superseded_at: null,
        error: null,
        stages: [stage('transcription'), stage('analysis')],
        correlation_id: 'my-own-id-1',
        created_at: TIME,
        committed_at: TIME,
        linked_at: TIME,
        transcribed_at: TIME,
        audio_deleted_at: TIME,
        updated_at: TIME,
      });
    });
  });

  it('that is not there is a 404, in any case of its letters', async () => {
    const alice = await service.user('alice');
    expect((await alice.get(`/api/uploads/${'0'.repeat(24)}`)).status).toBe(404);
    const session = await alice.session(['q1']);
    const { upload_id } = (await alice.upload(session, 'q1', webm())).body;
    expect((await alice.get(`/api/uploads/${upload_id.toUpperCase()}`)).body.upload_id).toBe(upload_id);
  });
});

describe('the list of uploads', () => {
  let bob: Caller;
  let session: string;
  const byStatus: Record<string, string> = {};

  beforeAll(async () => {
    bob = await service.user('bob');
    session = await bob.session([]);
    const put = async (status: string, question: string, bytes: Buffer) =>
      (byStatus[status] = (await bob.upload(session, question, bytes)).body.upload_id);
    engine.script(invalidFile);
    await put('failed', 'fails', webm());
    await bob.answer(session, 'fails');
    await put('superseded', 'retaken', webm());
    await bob.answer(session, 'retaken');
    const retake = ogg();
    await put('completed', 'retaken', retake);
    await bob.answer(session, 'retaken', (answer) => answer.score !== null && answer.id === byStatus['completed']);
    await bob.upload(session, 'retaken', retake);
    engine.otherwise({ does: 'hang' });
    await put('processing', 'hangs', webm());
    await engine.seen(4);
    const upload = await RawUpload.begin(bob, `/api/upload-answer/${session}/arriving`, null);
    await upload.write(filePart());
    await upload.write(webm().subarray(0, 10_000));
    await eventually(async () => {
      const rows = await service.rows(session);
      const arriving = rows.find((row) => row.state === 'uploading');
      byStatus['uploading'] = String(arriving._id);
      byStatus['duplicate'] = String(rows.find((row) => row.state === 'duplicate')._id);
    });
  });
  afterAll(() => bob.delete(`/api/sessions/${session}`));

  it.each(['uploading', 'processing', 'completed', 'failed', 'superseded', 'duplicate'])(
    'has by status=%s the uploads that show it, and no others',
    async (status) => {
      await eventually(async () => {
        const reply = await bob.get(`/api/uploads?status=${status}`);
        expect(reply.status).toBe(200);
        expect(ids(reply)).toEqual([byStatus[status]]);
        expect(reply.body.items[0].status).toBe(status);
      });
    },
  );

  it('has all of them, newest first, in pages that cover each once', async () => {
    const all = ids(await bob.get('/api/uploads'));
    expect(all).toHaveLength(6);
    expect([...all].sort().reverse()).toEqual(all);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await bob.get(`/api/uploads?limit=4${cursor && `&cursor=${cursor}`}`);
      seen.push(...ids(page));
      cursor = page.body.next_cursor as string | null;
    }
    expect(seen).toEqual(all);
  });

  it('has by session those of it', async () => {
    const other = await bob.session(['q1']);
    await bob.post(`/api/text-answer/${other}/q1`, { text: 'A written one.' });
    expect(ids(await bob.get(`/api/uploads?session_id=${session}`))).toHaveLength(6);
    const { body } = await bob.get(`/api/uploads?session_id=${other}`);
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({ source: 'text', audio: 'none', content_type: null, question_id: 'q1' });
    expect(ids(await bob.get('/api/uploads?session_id=unknown'))).toEqual([]);
  });

  it.each(['status=nonsense', 'session_id=a.b', 'session_id=%24where', 'limit=0', 'cursor=x'])(
    'asked with %s is a 422',
    async (query) => {
      expect((await bob.get(`/api/uploads?${query}`)).status).toBe(422);
    },
  );
});

it('an upload that waits for a worker shows as uploaded', async () => {
  const { service: api, stop } = await startWithEngine('api');
  const carol = await api.user('carol');
  const session = await carol.session(['q1']);
  const { upload_id } = (await carol.upload(session, 'q1', webm())).body;
  expect((await carol.get(`/api/uploads/${upload_id}`)).body).toMatchObject({ status: 'uploaded', audio: 'stored' });
  expect(ids(await carol.get('/api/uploads?status=uploaded'))).toEqual([upload_id]);
  expect(ids(await carol.get('/api/uploads?status=processing'))).toEqual([]);
  await stop();
});
