import { type Caller, speech, startTestService, type TestService } from '../support/service.js';

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let service: TestService;
let alice: Caller;

beforeAll(async () => {
  service = await startTestService('api');
  alice = await service.user('alice');
});
afterAll(() => service.stop());

describe('a session', () => {
  it('is made with what it was given, and read again the same', async () => {
    const input = {
      id: 'interview-42',
      title: 'First round',
      role: 'Backend engineer',
      language: 'en',
      retain_audio: true,
      questions: [
        { id: 'q1', text: 'Why here?', model_answer: 'Because.', weight: 2 },
        { id: 'q2', text: 'Why not?' },
      ],
    };
    const made = await alice.post('/api/sessions', input);
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      ...input,
      questions: [input.questions[0], { id: 'q2', text: 'Why not?', model_answer: null, weight: 1 }],
      answers: {},
      final_score: null,
      analyzed_at: null,
      created_at: TIME,
      updated_at: TIME,
    });
    const read = await alice.get('/api/sessions/interview-42');
    expect([read.status, read.body]).toEqual([200, made.body]);
  });

  it('gets an id where none is given, which its routes take', async () => {
    const { status, body } = await alice.post('/api/sessions', { questions: [] });
    expect(status).toBe(201);
    expect(body).toMatchObject({ title: null, role: null, language: null, retain_audio: false, questions: [] });
    expect((await alice.get(`/api/sessions/${body.id}`)).status).toBe(200);
  });

  it('of an id that the user has already is a 409, and the first one stays as it is', async () => {
    await alice.session(['q1'], { id: 'twice', title: 'first' });
    const again = await alice.post('/api/sessions', { id: 'twice', title: 'second', questions: [] });
    expect(again.status).toBe(409);
    expect(again.body).toEqual({ detail: expect.any(String) });
    expect((await alice.get('/api/sessions/twice')).body.title).toBe('first');
  });

  it('of an id that another user has is a session of its own', async () => {
    const bob = await service.user('bob');
    await alice.session([], { id: 'shared-name', title: 'of alice' });
    await bob.session([], { id: 'shared-name', title: 'of bob' });
    expect((await alice.get('/api/sessions/shared-name')).body.title).toBe('of alice');
    expect((await bob.get('/api/sessions/shared-name')).body.title).toBe('of bob');
  });

  it('one of ten at once under one id is made', async () => {
    const make = () => alice.post('/api/sessions', { id: 'race', questions: [] });
    const replies = await Promise.all(Array.from({ length: 10 }, make));
    expect(replies.map((reply) => reply.status).sort()).toEqual([201, ...Array<number>(9).fill(409)]);
  });

  const question = { id: 'q1', text: 'Why?' };
  it.each<[string, unknown, (string | number)[]]>([
    ['no questions', {}, ['body', 'questions']],
    ['an id with a dot', { id: 'a.b', questions: [] }, ['body', 'id']],
    ['an id that is an operator', { id: '$where', questions: [] }, ['body', 'id']],
    ['the id __proto__', { id: '__proto__', questions: [] }, ['body', 'id']],
    ['an id with a line break', { id: 'a\nb', questions: [] }, ['body', 'id']],
    ['an id that ends in a line break', { id: 'ab\n', questions: [] }, ['body', 'id']],
    ['an id that is an object', { id: { $gt: '' }, questions: [] }, ['body', 'id']],
    ['an id of 65 characters', { id: 'x'.repeat(65), questions: [] }, ['body', 'id']],
    ['a question id with a dot', { questions: [{ ...question, id: 'a.b' }] }, ['body', 'questions', 0, 'id']],
    [
      'the question id constructor',
      { questions: [{ ...question, id: 'constructor' }] },
      ['body', 'questions', 0, 'id'],
    ],
    ['a question without text', { questions: [question, { id: 'q2' }] }, ['body', 'questions', 1, 'text']],
    ['a negative weight', { questions: [{ ...question, weight: -1 }] }, ['body', 'questions', 0, 'weight']],
    ['two questions of one id', { questions: [question, question] }, ['body', 'questions']],
    ['two questions without an id', { questions: [{ text: 'A' }, { text: 'B' }] }, ['body', 'questions', 0, 'id']],
    ['a question that comes twice and is none', { questions: ['a', 'a'] }, ['body', 'questions', 0]],
    ['a language that is none', { language: 'english', questions: [] }, ['body', 'language']],
    ['a list in place of a question', { questions: [question, []] }, ['body', 'questions', 1]],
    ['an object in place of the questions', { questions: {} }, ['body', 'questions']],
    ['questions that are no list', { questions: 'q1' }, ['body', 'questions']],
  ])('with %s is a 422 that says where', async (_what, input, loc) => {
    const { status, body } = await alice.post('/api/sessions', input);
    expect(status).toBe(422);
    expect(body.detail.map((issue: { loc: unknown }) => issue.loc)).toContainEqual(loc);
  });
});

describe('the questions of a session', () => {
  it('are the only ones that take answers, where it lists any', async () => {
    const session = await alice.session(['q1']);
    const spoken = await alice.upload(session, 'q2', speech('reading.webm'));
    const written = await alice.post(`/api/text-answer/${session}/q2`, { text: 'An answer.' });
    for (const reply of [spoken, written]) {
      expect([reply.status, reply.body]).toEqual([404, { detail: 'Question not found' }]);
    }
    expect(await service.rows(session)).toEqual([]);
  });

  it('are any that answers name, where it lists none', async () => {
    const session = await alice.session([]);
    for (const id of ['anything', 'A-Z_09', 'toString', 'hasOwnProperty', 'x'.repeat(64)]) {
      expect((await alice.upload(session, id, speech('reading.webm'))).status).toBe(200);
      expect((await alice.get(`/api/transcription-status/${session}/${id}`)).body).toEqual({
        status: 'queued',
        question_id: id,
        transcript: null,
      });
    }
    expect((await alice.get(`/api/transcription-status/${session}`)).body.summary).toMatchObject({ total: 5 });
  });

  it('are 200 at most where it lists none: another one is refused, and a new take of one of them is not', async () => {
    const session = await alice.session([]);
    const write = (id: string, text: string) => alice.post(`/api/text-answer/${session}/${id}`, { text });
    const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => write(`q${i}`, 'An answer.')));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    const full = { detail: 'The session has answers to 200 questions and takes no more' };
    for (const reply of [
      await write('q200', 'An answer.'),
      await alice.upload(session, 'q200', speech('reading.webm')),
    ])
      expect([reply.status, reply.body]).toEqual([409, full]);
    expect((await write('q7', 'Another take.')).status).toBe(200);
    expect((await alice.get(`/api/transcription-status/${session}`)).body.summary).toMatchObject({ total: 200 });
  });

  it('that nobody answered have no status, whatever JavaScript thinks of their names', async () => {
    const session = await alice.session([]);
    for (const id of ['q1', 'toString', 'valueOf', 'hasOwnProperty']) {
      expect((await alice.get(`/api/transcription-status/${session}/${id}`)).status).toBe(404);
    }
  });
});

describe('the list of sessions', () => {
  it('has the newest first, in pages that cover all of them once', async () => {
    const carol = await service.user('carol');
    const ids = [];
    for (let i = 0; i < 7; i++) ids.unshift(await carol.session([], { id: `s${i}` }));
    const seen: string[] = [];
    let cursor = '';
    let pages = 0;
    do {
      const { status, body } = await carol.get(`/api/sessions?limit=3${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      seen.push(...body.items.map((item: { id: string }) => item.id));
      cursor = body.next_cursor;
      pages += 1;
    } while (cursor !== null);
    expect([seen, pages]).toEqual([ids, 3]);
  });

  it('goes on behind a session that is being erased', async () => {
    const frank = await service.user('frank');
    for (let i = 0; i < 4; i++) await frank.session([], { id: `s${i}` });
    const sessions = service.db.collection('interview_sessions');
    await sessions.updateOne({ user_id: 'frank', session_id: 's2' }, { $set: { erasing_since: new Date() } });
    const { body: first } = await frank.get('/api/sessions?limit=2');
    expect(first.items.map((item: { id: string }) => item.id)).toEqual(['s3', 's1']);
    const made = await frank.post('/api/sessions', { id: 's2', questions: [] });
    expect([made.status, made.body.detail]).toEqual([409, expect.stringMatching(/is being erased/)]);
    expect(made.headers.get('retry-after')).toBe('5');
    const { body: second } = await frank.get(`/api/sessions?limit=2&cursor=${first.next_cursor}`);
    expect([second.items.map((item: { id: string }) => item.id), second.next_cursor]).toEqual([['s0'], null]);
  });

  it('has shorter pages where the sessions are large', async () => {
    const grace = await service.user('grace');
    const question = (id: number) => ({ id: `q${id}`, text: 'x'.repeat(4000), model_answer: 'y'.repeat(9000) });
    const questions = Array.from({ length: 75 }, (_, id) => question(id));
    for (let i = 0; i < 7; i++) await grace.post('/api/sessions', { id: `s${i}`, questions });
    const { body: first } = await grace.get('/api/sessions?limit=200');
    expect(first.items).toHaveLength(5);
    const { body: second } = await grace.get(`/api/sessions?limit=200&cursor=${first.next_cursor}`);
    expect([second.items.map((item: { id: string }) => item.id), second.next_cursor]).toEqual([['s1', 's0'], null]);
  });

  it('is empty for who has none', async () => {
    const { body } = await (await service.user('dave')).get('/api/sessions');
    expect(body).toEqual({ items: [], next_cursor: null });
  });

  it.each(['limit=0', 'limit=201', 'limit=x', 'limit=1.5', 'cursor=', 'cursor=not-a-cursor'])(
    'asked with %s is a 422',
    async (query) => {
      expect((await alice.get(`/api/sessions?${query}`)).status).toBe(422);
    },
  );

  it('is asked by the page before, whatever was erased meanwhile', async () => {
    const erin = await service.user('erin');
    for (let i = 0; i < 4; i++) await erin.session([], { id: `s${i}` });
    const { body: first } = await erin.get('/api/sessions?limit=2');
    await erin.delete('/api/sessions/s2');
    const { body: second } = await erin.get(`/api/sessions?limit=2&cursor=${first.next_cursor}`);
    expect(second.items.map((item: { id: string }) => item.id)).toEqual(['s1', 's0']);
  });
});
