import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, eventually, fresh, type Json, type TestService } from '../support/service.js';

const TEXT =
  'Last spring our nightly import failed twice a week, and I was asked to find out why. ' +
  'I added tracing, found a lock that two jobs shared, and split it in two. ' +
  'As a result the failures went from nine a month to none, and the team slept again.';

let running: ServiceWithEngine;
let service: TestService;
let alice: Caller;

beforeAll(async () => {
  running = await startWithEngine();
  service = running.service;
  alice = await service.user('alice');
});
afterAll(() => running.stop());

const write = (session: string, text: unknown) => alice.post(`/api/text-answer/${session}/q1`, { text });

describe('a written answer', () => {
  it('is complete at once, and scored without the delivery criterion', async () => {
    const session = await alice.session(['q1']);
    const { status, body } = await write(session, TEXT);
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'completed',
      question_id: 'q1',
      transcription_status: 'completed',
      source: 'text',
    });
    const answer = await alice.answer(session, 'q1');
    expect(answer).toMatchObject({
      source: 'text',
      gridfs_file_id: null,
      transcription_status: 'completed',
      transcript: TEXT,
      segments: [],
      duration: null,
      score: expect.any(Number),
    });
    const names = answer.criteria.map((criterion: Json) => criterion.name);
    expect(names.sort()).toEqual(['depth', 'relevance', 'specificity', 'structure']);
    const evidence = answer.criteria.flatMap((criterion: Json) => criterion.evidence);
    expect(evidence.every((each: Json) => each.start === null && each.end === null)).toBe(true);
    expect((await alice.get(`/api/transcription-status/${session}/q1`)).body).toEqual({
      status: 'completed',
      question_id: 'q1',
      transcript: TEXT,
    });
  });

  it('replaces a spoken take, whose audio goes, and is replaced by a later one', async () => {
    const session = await alice.session(['q1']);
    running.engine.script({ does: 'answer', delay: 600 });
    const spoken = await alice.upload(session, 'q1', fresh('reading.webm'));
    await write(session, TEXT);
    const written = await alice.answer(session, 'q1');
    expect(written).toMatchObject({ source: 'text', transcript: TEXT });
    await eventually(async () => {
      const old = (await alice.get(`/api/uploads/${spoken.body.upload_id}`)).body;
      expect(old).toMatchObject({ status: 'superseded', superseded_by: written.id, audio: 'deleted' });
      expect(await service.strays()).toEqual([]);
    });

    const later = await alice.upload(session, 'q1', fresh('reading.ogg'));
    expect(later.body.duplicate).toBe(false);
    const answer = await alice.answer(session, 'q1', (it) => it.source === 'audio' && it.score !== null);
    expect(answer.id).toBe(later.body.upload_id);
    expect((await service.rows(session)).map((row) => row.state)).toEqual(['superseded', 'superseded', 'committed']);
  });

  it('sent again, and several times at once, is one answer', async () => {
    const session = await alice.session(['q1']);
    await Promise.all([write(session, TEXT), write(session, TEXT), write(session, TEXT)]);
    await alice.answer(session, 'q1');
    const rows = await service.rows(session);
    expect(rows.filter((row) => row.state === 'committed')).toHaveLength(1);
    expect(rows.filter((row) => !['committed', 'duplicate'].includes(row.state))).toEqual([]);
    const before = rows.length;
    expect((await write(session, TEXT)).status).toBe(200);
    expect(await service.rows(session)).toHaveLength(before);
  });

  it('with too few words to score says so, and is no low score', async () => {
    const session = await alice.session(['q1']);
    await write(session, 'I do not know.');
    expect(await alice.answer(session, 'q1')).toMatchObject({ score: null, not_scorable: expect.any(String) });
  });

  it.each([
    ['', 'string_too_short'],
    ['x'.repeat(20_001), 'string_too_long'],
    [5, 'string_type'],
    [undefined, 'missing'],
  ])('that is no text of 1 to 20,000 characters is a 422 (%#)', async (text, type) => {
    const session = await alice.session(['q1']);
    const { status, body } = await write(session, text);
    expect(status).toBe(422);
    expect(body.detail[0]).toMatchObject({ type, loc: ['body', 'text'] });
    expect(await service.rows(session)).toEqual([]);
  });

  it('of 20,000 characters of any script comes back as it was', async () => {
    const session = await alice.session(['q1']);
    const text = '回答 é $where "<script>" '.repeat(1000).slice(0, 20_000);
    expect((await write(session, text)).status).toBe(200);
    expect((await alice.answer(session, 'q1')).transcript).toBe(text);
  });
});
