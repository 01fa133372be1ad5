import { createHash } from 'node:crypto';
import { readingText } from '../support/audio-source.js';
import { type Caller, eventually, type Json, speech, startTestService, type TestService } from '../support/service.js';
import { spokenWords, wordErrorRate } from '../support/word-error-rate.js';

const FORMATS = [
  ['webm', 'audio/webm'],
  ['wav', 'audio/wav'],
  ['mp3', 'audio/mpeg'],
  ['m4a', 'audio/mp4'],
  ['ogg', 'audio/ogg'],
  ['flac', 'audio/flac'],
] as const;

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const OBJECT_ID = expect.stringMatching(/^[0-9a-f]{24}$/);

let service: TestService;
let alice: Caller;
let session: string;

beforeAll(async () => {
  service = await startTestService('all', { TRANSCRIBER: 'local', SCORER: 'rubric' });
  alice = await service.user('alice');
  session = await alice.session(FORMATS.map(([format]) => format));
});
afterAll(() => service.stop());

const withoutPunctuation = (text: string) => spokenWords(text).join(' ');

describe('a spoken answer, from its upload to its score, with the engine in the box', () => {
  it.each(FORMATS)('%s is taken, transcribed, scored, and its audio is gone', async (format, type) => {
    const bytes = speech(`reading.${format}`);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const upload = await alice.upload(session, format, bytes, { fileName: `mine.${format}`, type });
    expect(upload.status).toBe(200);
    expect(upload.body).toEqual({
      status: 'processing',
      message: 'Audio uploaded successfully, transcription in progress',
      file_id: OBJECT_ID,
      transcription_status: 'queued',
      upload_id: OBJECT_ID,
      sha256,
      size: bytes.length,
      duplicate: false,
    });

    const answer = await alice.answer(session, format);
    expect(wordErrorRate(readingText(), answer.transcript)).toBeLessThanOrEqual(0.1);
    expect(answer).toEqual({
      id: upload.body.upload_id,
      question_id: format,
      source: 'audio',
      gridfs_file_id: null,
      transcription_status: 'completed',
      transcribed_at: TIME,
      transcription_error: null,
      transcript: expect.any(String),
      segments: expect.any(Array),
      language: 'en',
      duration: expect.closeTo(17.5, 0),
      transcriber: expect.stringMatching(/^local\/moonshine/),
      score: expect.any(Number),
      criteria: expect.any(Array),
      feedback: expect.any(Array),
      model_answer: null,
      not_scorable: null,
      scorer: expect.stringMatching(/^rubric\//),
      sha256,
      size: bytes.length,
      created_at: TIME,
      updated_at: TIME,
    });
    expectSegments(answer);
    expectReasons(answer);

    const status = await alice.get(`/api/transcription-status/${session}/${format}`);
    expect(status.body).toEqual({ status: 'completed', question_id: format, transcript: answer.transcript });
  });

  it('leaves no audio behind, and analyze adds up what was scored', async () => {
    await eventually(async () => {
      expect(await service.db.collection('fs.files').countDocuments()).toBe(0);
      expect(await service.db.collection('fs.chunks').countDocuments()).toBe(0);
      expect(await service.strays()).toEqual([]);
    });

    const { status, body } = await alice.post(`/api/analyze/${session}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'success',
      final_score: expect.any(Number),
      scored_count: 6,
      failed_count: 0,
      not_scorable_count: 0,
      answers: expect.any(Array),
      missing: [],
    });
    const scores = body.answers.map((answer: Json) => answer.score as number);
    const mean = scores.reduce((sum: number, score: number) => sum + score, 0) / scores.length;
    expect(body.final_score).toBeCloseTo(mean, 1);
    expect((await alice.get(`/api/sessions/${session}`)).body.final_score).toBe(body.final_score);
  });
});

function expectSegments({ segments, transcript }: Json): void {
  expect(segments.length).toBeGreaterThan(0);
  let last = 0;
  for (const { start, end, text } of segments) {
    expect(start).toBeGreaterThanOrEqual(last);
    expect(end).toBeGreaterThan(start);
    expect(transcript).toContain(text);
    last = end;
  }
  expect(last).toBeLessThan(18);
}

/** Each criterion has its share, and evidence that was really said, at a time in the audio. */
function expectReasons({ score, criteria, transcript }: Json): void {
  expect(score).toBeGreaterThanOrEqual(0);
  expect(score).toBeLessThanOrEqual(100);
  const names = criteria.map((criterion: Json) => criterion.name as string);
  expect(names.sort()).toEqual(['delivery', 'depth', 'relevance', 'specificity', 'structure']);
  expect(criteria.reduce((sum: number, criterion: Json) => sum + (criterion.weight as number), 0)).toBeCloseTo(1, 5);
  for (const { reason, evidence } of criteria) {
    expect(reason).toMatch(/\w+ \w+/);
    expect(evidence.length).toBeGreaterThan(0);
    for (const { quote, start, end } of evidence) {
      expect(withoutPunctuation(transcript)).toContain(withoutPunctuation(quote));
      expect(start).toBeGreaterThanOrEqual(0);
      expect(end).toBeLessThan(18);
    }
  }
}
