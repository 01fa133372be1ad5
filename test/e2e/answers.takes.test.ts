import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { END, RawUpload, type RawReply, filePart } from '../support/raw-upload.js';
import {
  type Caller,
  eventually,
  type Json,
  type Reply,
  fresh,
  startTestService,
  type TestService,
} from '../support/service.js';

const SECOND_TEXT = 'The second take is what I meant to say, and it is longer than twelve words in all.';

let running: ServiceWithEngine;
let service: TestService;
let engine: ServiceWithEngine['engine'];
let alice: Caller;
let first: Buffer;
let second: Buffer;

beforeAll(async () => {
  // A superseded take's work notices at the renewal of its lease, each third of it.
  running = await startWithEngine('all', { STAGE_LEASE_S: '9' });
  ({ service, engine } = running);
  alice = await service.user('alice');
});
afterAll(() => running.stop());
beforeEach(() => {
  engine.reset();
  first = fresh('reading.webm');
  second = fresh('reading.ogg');
});

const states = (rows: Json[]) => rows.map((row) => row.state as string);
const nothingStray = () => eventually(async () => expect(await service.strays()).toEqual([]));

describe('the same bytes to the same question', () => {
  it('are one upload: the second response names the first, and nothing is transcribed twice', async () => {
    const session = await alice.session(['q1']);
    const sent = await alice.upload(session, 'q1', first);
    await alice.answer(session, 'q1');
    const again = await alice.upload(session, 'q1', first, { fileName: 'other-name.webm' });
    expect(again.status).toBe(200);
    expect(again.body).toEqual({ ...sent.body, transcription_status: 'completed', duplicate: true });
    expect(engine.requests).toHaveLength(1);
    expect(states(await service.rows(session))).toEqual(['committed', 'duplicate']);
    await nothingStray();
  });

  it('twenty times at once are one file, one job, one transcription, and one answer says so to all', async () => {
    const { service: api, engine: own, stop } = await startWithEngine('api');
    const bob = await api.user('bob');
    const session = await bob.session(['q1']);
    const replies: Reply[] = await Promise.all(Array.from({ length: 20 }, () => bob.upload(session, 'q1', first)));

    expect(replies.map((reply) => reply.status)).toEqual(Array(20).fill(200));
    expect(new Set(replies.map((reply) => reply.body.file_id)).size).toBe(1);
    expect(new Set(replies.map((reply) => reply.body.upload_id)).size).toBe(1);
    expect(replies.filter((reply) => !reply.body.duplicate)).toHaveLength(1);
    const rows = await api.rows(session);
    expect(states(rows).sort()).toEqual(['committed', ...Array<string>(19).fill('duplicate')]);
    await eventually(async () => expect(await api.strays()).toEqual([]));
    expect((await api.files(session)).map((file) => String(file._id))).toEqual([replies[0]?.body.file_id]);

    const worker = await startTestService('worker', api.environment);
    expect((await bob.answer(session, 'q1')).id).toBe(replies[0]?.body.upload_id);
    const attempts = api.db.collection('attempts');
    await eventually(async () => expect(await attempts.countDocuments({ stage: 'transcription' })).toBe(1));
    expect(own.requests).toHaveLength(1);
    await worker.stop();
    await stop();
  });

  it('to another question are an answer of its own, with the transcript that is known already', async () => {
    const session = await alice.session(['q1', 'q2']);
    const one = await alice.upload(session, 'q1', first);
    const { transcript } = await alice.answer(session, 'q1');
    const two = await alice.upload(session, 'q2', first);
    expect(two.body).toMatchObject({ duplicate: false, transcription_status: 'queued' });
    expect(two.body.file_id).not.toBe(one.body.file_id);
    expect(await alice.answer(session, 'q2')).toMatchObject({ transcript, gridfs_file_id: null });
    expect(engine.requests).toHaveLength(1);
    await nothingStray();
  });

  it("of another user are transcribed for them anew: nobody learns what others' files are", async () => {
    const [one, two] = [await alice.session(['q1']), await alice.session(['q1'])];
    const bob = await service.user('bob');
    const his = await bob.session(['q1']);
    await alice.upload(one, 'q1', first);
    await alice.answer(one, 'q1');
    expect((await bob.upload(his, 'q1', first)).body).toMatchObject({ duplicate: false });
    await bob.answer(his, 'q1');
    expect(engine.requests).toHaveLength(2);
    await alice.upload(two, 'q1', first, { fields: { language: 'fr' } });
    await alice.answer(two, 'q1');
    expect(engine.requests).toHaveLength(3);
  });

  it('to two questions at once are two answers', async () => {
    const session = await alice.session(['q1', 'q2']);
    const [one, two] = await Promise.all([alice.upload(session, 'q1', first), alice.upload(session, 'q2', first)]);
    expect([one.body.duplicate, two.body.duplicate]).toEqual([false, false]);
    expect(one.body.file_id).not.toBe(two.body.file_id);
    await Promise.all([alice.answer(session, 'q1'), alice.answer(session, 'q2')]);
  });

  it('after a failure are queued again under the same upload, with all attempts', async () => {
    engine.script(invalidFile);
    const session = await alice.session(['q1']);
    const sent = await alice.upload(session, 'q1', first);
    expect((await alice.answer(session, 'q1')).transcription_status).toBe('failed');

    const again = await alice.upload(session, 'q1', first);
    expect(again.body).toEqual({ ...sent.body, transcription_status: 'queued', duplicate: true });
    const answer = await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    expect(answer).toMatchObject({ id: sent.body.upload_id, transcription_error: null });
    expect(engine.requests).toHaveLength(2);
    await nothingStray();
  });

  it('after a failure are heard in the language that is named with them then', async () => {
    engine.script(invalidFile);
    const session = await alice.session(['q1']);
    const sent = await alice.upload(session, 'q1', first, { fields: { language: 'fr' } });
    expect(await alice.answer(session, 'q1')).toMatchObject({ transcription_status: 'failed', language: 'fr' });

    await alice.upload(session, 'q1', first, { fields: { language: 'en' } });
    const answer = await alice.answer(session, 'q1', (it) => it.transcription_status === 'completed');
    expect(answer).toMatchObject({ id: sent.body.upload_id, language: 'en' });
    expect(engine.requests.map(({ language }) => language)).toEqual(['fr', 'en']);
  });
});

describe('the same bytes, sent while the question’s take changes', () => {
  /** Begins to send the bytes of the first take again, and resolves with what sends the rest once the service has begun to read. */
  async function sendingAgain(session: string): Promise<() => Promise<RawReply>> {
    const head = filePart();
    const upload = await RawUpload.begin(
      alice,
      `/api/upload-answer/${session}/q1`,
      head.length + first.length + END.length,
    );
    await upload.write(head);
    await upload.write(first.subarray(0, -10));
    await eventually(async () => expect(states(await service.rows(session))).toContain('uploading'));
    return async () => {
      await upload.write(first.subarray(-10));
      await upload.write(END);
      return upload.reply();
    };
  }

  it('are a take of their own when another one replaced it meanwhile', async () => {
    const session = await alice.session(['q1']);
    const sent = await alice.upload(session, 'q1', first);
    await alice.answer(session, 'q1');
    const rest = await sendingAgain(session);
    await alice.upload(session, 'q1', second);

    const { body } = await rest();
    expect(body.duplicate).toBe(false);
    expect(body.upload_id).not.toBe(sent.body.upload_id);
    expect(await alice.answer(session, 'q1')).toMatchObject({ id: body.upload_id, transcription_status: 'completed' });
    await nothingStray();
  });

  it('are queued again when it failed meanwhile', async () => {
    engine.script({ does: 'hang' });
    const session = await alice.session(['q1']);
    const sent = await alice.upload(session, 'q1', first);
    const rest = await sendingAgain(session);
    const root = await service.user('root', 'admin');
    await root.post(`/api/admin/uploads/${sent.body.upload_id}/fail`, { reason: 'It hangs' });
    expect((await alice.answer(session, 'q1')).transcription_status).toBe('failed');

    expect((await rest()).body).toMatchObject({ upload_id: sent.body.upload_id, transcription_status: 'queued' });
    expect((await alice.answer(session, 'q1')).transcription_status).toBe('completed');
  });
});

describe('a new take', () => {
  it.each([
    ['answers late', { does: 'answer', delay: 2000, text: 'The first take, which nobody wants any more.' }],
    ['still works on it', { does: 'hang' }],
  ] as const)('is the only one that is ever seen, where the engine %s', async (_how, behaviour) => {
    const session = await alice.session(['q1']);
    const fencedBefore = await fenced();
    engine.script(behaviour);
    engine.otherwise({ does: 'answer', text: SECOND_TEXT });
    const old = await alice.upload(session, 'q1', first);
    await engine.seen(1);
    const fresh = await alice.upload(session, 'q1', second);
    expect(fresh.body).toMatchObject({ duplicate: false, transcription_status: 'queued' });

    const seen = new Set<string | null>();
    await eventually(async () => {
      const answer = await alice.answer(session, 'q1', () => true);
      seen.add(answer.transcript);
      expect(answer.id).toBe(fresh.body.upload_id);
      expect(await fenced()).toBe(fencedBefore + 1);
      expect(answer.score).not.toBeNull();
    });
    expect([...seen].filter((transcript) => transcript !== null)).toEqual([SECOND_TEXT]);
    const row = (await alice.get(`/api/uploads/${old.body.upload_id}`)).body;
    expect(row).toMatchObject({ status: 'superseded', superseded_by: fresh.body.upload_id });
    expect(new Date(row.superseded_at).getTime()).toBeGreaterThanOrEqual(new Date(row.committed_at).getTime());
    await nothingStray();
  });

  it('replaces a finished one, score and all', async () => {
    engine.script({ does: 'answer', text: 'The first take was fine, but there is more that I want to say about it.' });
    const session = await alice.session(['q1']);
    await alice.upload(session, 'q1', first);
    const before = await alice.answer(session, 'q1');
    engine.script({ does: 'answer', delay: 300, text: SECOND_TEXT });
    const retake = await alice.upload(session, 'q1', second);
    const between = await alice.answer(session, 'q1', () => true);
    expect(between).toMatchObject({ id: retake.body.upload_id, transcript: null, score: null, criteria: [] });
    const after = await alice.answer(session, 'q1');
    expect(after.transcript).toBe(SECOND_TEXT);
    expect(after.id).not.toBe(before.id);
    await nothingStray();
  });

  it('with the bytes of an earlier one is a new take too', async () => {
    const session = await alice.session(['q1']);
    const takes: Json[] = [];
    for (const bytes of [first, second, first]) {
      takes.push((await alice.upload(session, 'q1', bytes)).body);
      await alice.answer(session, 'q1', (answer) => answer.id === takes.at(-1).upload_id && answer.transcript !== null);
    }
    expect(takes.map((take) => take.duplicate)).toEqual([false, false, false]);
    expect(new Set(takes.map((take) => take.upload_id)).size).toBe(3);
    expect(states(await service.rows(session))).toEqual(['superseded', 'superseded', 'committed']);
    await nothingStray();
  });

  it('one of many at once wins, and all others are superseded', async () => {
    const session = await alice.session(['q1']);
    const names = ['reading.webm', 'reading.ogg', 'reading.mp3', 'reading.m4a', 'reading.flac'];
    const replies = await Promise.all(names.map((name) => alice.upload(session, 'q1', fresh(name))));
    expect(replies.map((reply) => reply.body.duplicate)).toEqual(Array(5).fill(false));
    const answer = await alice.answer(session, 'q1');
    const rows = await service.rows(session);
    expect(rows.filter((row) => row.state === 'committed').map((row) => String(row._id))).toEqual([answer.id]);
    expect(rows.filter((row) => row.state === 'superseded')).toHaveLength(4);
    await nothingStray();
  });
});

/** Attempts whose result was thrown away so far. */
async function fenced(): Promise<number> {
  const metrics = (await service.nobody().get('/metrics')).body as string;
  return Number(/^vivavoce_jobs_total\{queue="transcription",outcome="fenced"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
}
