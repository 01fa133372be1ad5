import { createHash } from 'node:crypto';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Behaviour, invalidFile, rateLimited, rejectedKey, serverError } from '../support/openai-behaviour.js';
import { type Caller, eventually, type Json, fresh, type TestService } from '../support/service.js';

const webm = () => fresh('reading.webm');
const TEXT = 'I moved the import to a queue, measured it for a week, and the failures stopped for good.';

let running: ServiceWithEngine;
let service: TestService;
let engine: ServiceWithEngine['engine'];
let alice: Caller;

beforeAll(async () => {
  running = await startWithEngine('all', { TRANSCRIPTION_TIMEOUT_S: '5' });
  ({ service, engine } = running);
  alice = await service.user('alice');
});
afterAll(() => running.stop());
beforeEach(() => {
  engine.reset();
  engine.otherwise({ does: 'answer', text: TEXT });
});

interface Outcome {
  bytes: Buffer;
  answer: Json;
  upload: Json;
  /** Outcome and error code of each attempt of the transcription. */
  attempts: [string, string | null][];
}

/** Sends one answer while the engine behaves as scripted, and waits for what becomes of it. */
async function run(behaviours: Behaviour[], fields: Record<string, string> = {}): Promise<Outcome> {
  engine.script(...behaviours);
  const session = await alice.session(['q1']);
  const bytes = webm();
  const { body } = await alice.upload(session, 'q1', bytes, { fields });
  const answer = await alice.answer(session, 'q1');
  return eventually(async () => {
    const upload = (await alice.get(`/api/uploads/${body.upload_id}`)).body;
    const stage = upload.stages[0];
    const attempts = stage.history.map((each: Json) => [each.outcome, each.error?.code ?? null]);
    // One that was told to wait does not count.
    const counted = stage.history.filter((each: Json) => each.error?.code !== 'engine_rate_limited');
    expect(counted.map((each: Json) => each.number)).toEqual(Array.from({ length: stage.attempts }, (_, i) => i + 1));
    expect(await service.strays()).toEqual([]);
    return { bytes, answer, upload, attempts };
  });
}

function expectTranscribed({ answer }: Outcome): void {
  expect(answer).toMatchObject({ transcription_status: 'completed', transcript: TEXT, transcription_error: null });
  expect(answer.transcriber).toBe('openai/whisper-1');
}

describe('an engine that speaks OpenAI’s protocol', () => {
  it('gets the file as it was sent, named by its content, with model, language and format', async () => {
    const outcome = await run([], { language: 'en' });
    expectTranscribed(outcome);
    expect(outcome.attempts).toEqual([['done', null]]);
    expect(engine.requests).toHaveLength(1);
    const [request] = engine.requests;
    expect(request).toMatchObject({
      method: 'POST',
      path: '/v1/audio/transcriptions',
      model: 'whisper-1',
      language: 'en',
    });
    expect(request?.headers.authorization).toBe('Bearer sk-test-a-key-that-stays-secret');
    expect(request?.fields).toContainEqual(['response_format', 'verbose_json']);
    expect(request?.file).toMatchObject({ name: 'answer.webm', type: 'audio/webm', bytes: outcome.bytes.length });
    expect(request?.file?.sha256).toBe(createHash('sha256').update(outcome.bytes).digest('hex'));
    expect(outcome.answer.segments.length).toBeGreaterThan(0);
  });

  it('that takes no more requests is asked again, not before the time that it names', async () => {
    const outcome = await run([rateLimited({ 'retry-after': '1' })]);
    expectTranscribed(outcome);
    expect(outcome.attempts).toEqual([
      ['retry', 'engine_rate_limited'],
      ['done', null],
    ]);
    const [first, second] = engine.requests;
    // Bull may start a delayed job up to a quarter of a second early.
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(740);
  });

  it('that fails twice and then answers well costs two attempts, and no answer', async () => {
    const outcome = await run([serverError, serverError]);
    expectTranscribed(outcome);
    expect(outcome.attempts).toEqual([
      ['retry', 'engine_unavailable'],
      ['retry', 'engine_unavailable'],
      ['done', null],
    ]);
    expect(engine.requests).toHaveLength(3);
    expect(new Set(engine.requests.map((request) => request.file?.sha256)).size).toBe(1);
  });

  it('that goes on failing is given up after three attempts, and the audio stays', async () => {
    const { answer, upload, attempts } = await run([serverError, serverError, serverError]);
    expect(attempts.map(([outcome]) => outcome)).toEqual(['retry', 'retry', 'failed']);
    expect(answer).toMatchObject({
      transcription_status: 'failed',
      transcription_error: 'The speech engine failed (HTTP 500).',
      transcript: null,
    });
    expect(answer.gridfs_file_id).toMatch(/^[0-9a-f]{24}$/);
    expect(upload).toMatchObject({ status: 'failed', audio: 'stored' });
    expect(engine.requests).toHaveLength(3);
  });

  it('that hangs has its request ended at the time limit, and is asked again', async () => {
    const outcome = await run([{ does: 'hang' }]);
    expectTranscribed(outcome);
    expect(outcome.attempts).toEqual([
      ['retry', 'timeout'],
      ['done', null],
    ]);
    await engine.hungUp();
    expect(engine.requests[0]).toMatchObject({ aborted: true });
    const { from, to } = outcome.upload.stages[0].history[0];
    const took = Date.parse(to) - Date.parse(from);
    expect(took).toBeGreaterThanOrEqual(4990);
    expect(took).toBeLessThan(8_000);
  });

  it.each<[string, Behaviour, string]>([
    ['stops in the middle of its answer', { does: 'stall' }, 'timeout'],
    ['sends broken JSON', { does: 'garble' }, 'engine_broken_answer'],
    ['cuts the connection', { does: 'cut' }, 'engine_unreachable'],
    ['cuts the connection under the upload', { does: 'cut', early: true }, 'engine_unreachable'],
  ])('that %s is asked again', async (_how, behaviour, code) => {
    const outcome = await run([behaviour]);
    expectTranscribed(outcome);
    expect(outcome.attempts).toEqual([
      ['retry', code],
      ['done', null],
    ]);
  });

  it('that refuses the file fails it at once, for good, and says so to who waits', async () => {
    const { answer, attempts } = await run([invalidFile]);
    expect(attempts).toEqual([['failed', 'engine_rejected_request']]);
    expect(answer.transcription_status).toBe('failed');
    expect(answer.transcription_error).toMatch(/^The speech engine refused this answer: Invalid file format/);
    expect(engine.requests).toHaveLength(1);
  });

  it('that refuses the key fails at once, shows nothing of the key, and the answer can be sent again', async () => {
    const { bytes, answer, upload, attempts } = await run([rejectedKey]);
    expect(attempts).toEqual([['failed', 'engine_rejected_key']]);
    expect(answer.transcription_error).toMatch(/OPENAI_API_KEY/);
    expect(JSON.stringify([answer, upload])).not.toMatch(/sk-|secret|cret/);
    const again = await alice.upload(upload.session_id, 'q1', bytes);
    expect(again.body).toMatchObject({ duplicate: true, transcription_status: 'queued' });
    expectTranscribed({ answer: await alice.answer(upload.session_id, 'q1', (it) => it.score !== null) } as Outcome);
  });

  it('that hangs over one answer costs the others nothing: each has the attempts of its own', async () => {
    engine.script({ does: 'hang' });
    const session = await alice.session([]);
    await alice.upload(session, 'bad', webm());
    await engine.seen(1);
    const others = ['one', 'two', 'three'];
    await Promise.all(others.map((question) => alice.upload(session, question, webm())));
    await Promise.all(others.map((question) => alice.answer(session, question)));
    expectTranscribed({ answer: await alice.answer(session, 'bad') } as Outcome);
    const attempts = (await service.rows(session)).map((row) => [row.question_id, row.stages.transcription.attempts]);
    expect(Object.fromEntries(attempts)).toEqual({ bad: 2, one: 1, two: 1, three: 1 });
  });
});
