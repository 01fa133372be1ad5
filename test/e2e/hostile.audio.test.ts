import { jest } from '@jest/globals';
import { Log } from '../../src/common/logging.js';
import { readingText, wavHeader } from '../support/audio-source.js';
import { type Caller, eventually, type Json, speech, startTestService, type TestService } from '../support/service.js';
import { spokenWords } from '../support/word-error-rate.js';

let service: TestService;
let alice: Caller;
let session: string;

beforeAll(async () => {
  service = await startTestService('all', { TRANSCRIBER: 'local', SCORER: 'rubric' });
  alice = await service.user('alice');
  session = await alice.session([]);
});
afterAll(() => service.stop());

/** Sends bytes that look like audio, and gives the answer once the engine has had its say, with the stage's record. */
async function put(question: string, bytes: Buffer, fields: Record<string, string> = {}) {
  const upload = await alice.upload(session, question, bytes, { fields });
  expect(upload.status).toBe(200);
  const answer = await alice.answer(session, question);
  const stage: Json = await eventually(async () => {
    const { body } = await alice.get(`/api/uploads/${upload.body.upload_id}`);
    const [transcription] = body.stages;
    expect(transcription.history.length).toBeGreaterThan(0);
    return transcription;
  });
  return { answer, stage };
}

/** Failed for good at the first attempt: its audio stays for another try, and is not a stray. */
async function expectLasting({ answer, stage }: Awaited<ReturnType<typeof put>>, code: string): Promise<void> {
  expect(answer).toMatchObject({ transcription_status: 'failed', transcript: null, score: null });
  expect(answer.transcription_error).toMatch(/\w+ \w+ \w+/);
  expect(answer.transcription_error).not.toMatch(/ffmpeg|Error:|\/tmp|0x/);
  expect(answer.gridfs_file_id).toMatch(/^[0-9a-f]{24}$/);
  expect(stage).toMatchObject({ state: 'failed', attempts: 1, error: { code, message: answer.transcription_error } });
  expect(stage.history.map((attempt: Json) => attempt.outcome)).toEqual(['failed']);
  const { body: metrics } = await alice.get('/metrics');
  expect(metrics).toContain(`vivavoce_failures_total{stage="transcription",code="${code}"} `);
  await eventually(async () => expect(await service.strays()).toEqual([]));
}

describe('audio that the engine cannot use', () => {
  it('cut off before its index fails for good, at the first attempt, in words a person understands', async () => {
    await expectLasting(await put('m4a', speech('reading.m4a').subarray(0, 60_000)), 'audio_truncated');
  });

  it('with nothing behind its first bytes fails for good', async () => {
    const { pino } = service.service.app.get(Log);
    const [warn, error] = [jest.spyOn(pino, 'warn'), jest.spyOn(pino, 'error')];
    const bytes = Buffer.concat([speech('reading.webm').subarray(0, 200), Buffer.alloc(50_000, 0xa5)]);
    const { answer, stage } = await put('noise', bytes);
    await expectLasting({ answer, stage }, 'audio_undecodable');
    // Nobody need get up for it.
    const reason = answer.transcription_error;
    const line = expect.objectContaining({ code: 'audio_undecodable', question_id: 'noise', reason });
    expect(warn).toHaveBeenCalledWith(line, 'Stage failed for good');
    expect(error).not.toHaveBeenCalled();
    jest.restoreAllMocks();
  });

  it('of no length at all is not scorable or fails for good, and never waits for ever', async () => {
    const { answer, stage } = await put('empty-wav', wavHeader(0));
    expect(stage.attempts).toBe(1);
    if (answer.transcription_status === 'completed') {
      expect(answer).toMatchObject({ transcript: '', score: null, not_scorable: expect.any(String) });
    } else await expectLasting({ answer, stage }, stage.error.code);
  });

  it('cut off in the middle of speech gives the words that did arrive, and no others', async () => {
    const whole = speech('reading.webm');
    const { answer } = await put('half', whole.subarray(0, Math.floor(whole.length / 2)));
    expect(answer.transcription_status).toBe('completed');
    const heard = spokenWords(answer.transcript);
    const said = new Set(spokenWords(readingText()));
    expect(heard.length).toBeGreaterThan(10);
    expect(heard.filter((word) => !said.has(word)).length).toBeLessThan(heard.length / 5);
  });

  it('of silence is an empty transcript that is not scorable, and no invented words', async () => {
    const { answer } = await put('silence', Buffer.concat([wavHeader(48_000), Buffer.alloc(96_000)]));
    expect(answer).toMatchObject({
      transcription_status: 'completed',
      transcript: '',
      segments: [],
      score: null,
      not_scorable: expect.stringMatching(/\w+ \w+/),
    });
  });
});

describe('a language that the engine in the box does not know', () => {
  it('fails at once, with a sentence that names the way out', async () => {
    const result = await put('german', speech('reading.webm'), { language: 'de' });
    await expectLasting(result, 'language_unsupported');
    expect(result.answer.transcription_error).toMatch(/English/);
    expect(result.answer.transcription_error).toMatch(/OPENAI_API_KEY/);
  });

  it('of the session fails as well, and English for one answer goes before it', async () => {
    const german = await alice.session([], { language: 'de' });
    await alice.upload(german, 'q1', speech('reading.webm'));
    await alice.upload(german, 'q2', speech('sense_and_sensibility_01_austen_64kb-0880.wav'), {
      fields: { language: 'en' },
    });
    expect((await alice.answer(german, 'q1')).transcription_status).toBe('failed');
    expect(await alice.answer(german, 'q2')).toMatchObject({
      transcription_status: 'completed',
      language: 'en',
    });
  });
});
