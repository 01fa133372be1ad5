import { bearer, type MannersApp, startMannersApp } from './manners.app.js';
import { MannersController } from './manners.controller.js';

let service: MannersApp;
let auth: { authorization: string };

beforeAll(async () => {
  service = await startMannersApp({ controllers: [MannersController] });
  auth = await bearer();
});
afterAll(() => service.close());

const call = (path: string, init: RequestInit = {}) =>
  fetch(service.url + path, { ...init, headers: { ...auth, ...(init.headers as Record<string, string>) } });

const postJson = (path: string, body: unknown) =>
  call(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

describe('JSON bodies', () => {
  it('broken JSON is 422 json_invalid at its offset', async () => {
    const response = await postJson('/api/interviews', '{"title": }');
    expect(response.status).toBe(422);
    expect(await response.json()).toEqual({
      detail: [
        {
          type: 'json_invalid',
          loc: ['body', 10],
          msg: 'JSON decode error',
          input: {},
          ctx: { error: 'Expecting value' },
        },
      ],
    });
  });

  it('no body at all is a missing body', async () => {
    const response = await postJson('/api/interviews', '');
    expect(response.status).toBe(422);
    expect(await response.json()).toEqual({
      detail: [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }],
    });
  });

  const good = { title: 'Round', questions: [{ id: 'q1' }] };
  const postAs = (type: string, body: string | Uint8Array) =>
    call('/api/interviews', { method: 'POST', headers: { 'content-type': type }, body });

  it('broken JSON is nothing to a route that wants none, or that is not there', async () => {
    const broken = (method: string) => ({ method, headers: { 'content-type': 'application/json' }, body: '{bad' });
    expect((await call('/api/nothing', broken('POST'))).status).toBe(404);
    expect((await call('/api/interviews', broken('PUT'))).status).toBe(405);
    expect((await call('/api/correlation', broken('POST'))).status).toBe(200);
  });

  it.each(['text/plain', 'text/json', 'application/x-www-form-urlencoded'])(
    'JSON that is called %s is no object',
    async (type) => {
      const response = await postAs(type, JSON.stringify(good));
      expect(response.status).toBe(422);
      expect(await response.json()).toEqual({
        detail: [
          {
            type: 'model_attributes_type',
            loc: ['body'],
            msg: 'Input should be a valid dictionary or object to extract fields from',
            input: JSON.stringify(good),
          },
        ],
      });
    },
  );

  it.each(['application/vnd.api+json', 'APPLICATION/JSON', 'application/json; charset=latin-1'])(
    '%s is JSON, in UTF-8 whatever it says',
    async (type) => {
      const response = await postAs(type, JSON.stringify({ ...good, title: 'Grüße' }));
      expect(response.status).toBe(201);
      expect(await response.json()).toMatchObject({ value: { title: 'Grüße' } });
    },
  );

  it('a byte order mark is passed over, and what is no UTF-8 is 400', async () => {
    const bytes = (text: string) => Buffer.from(text, 'latin1');
    const marked = Buffer.concat([bytes('\xef\xbb\xbf'), bytes(JSON.stringify(good))]);
    expect((await postAs('application/json', marked)).status).toBe(201);
    const broken = await postAs('application/json', bytes('{"title": "\xff"}'));
    expect(broken.status).toBe(400);
    expect(await broken.json()).toEqual({ detail: 'There was an error parsing the body' });
  });

  it('a body over 1 MiB is 413', async () => {
    const response = await postJson('/api/interviews', { title: 'x'.repeat(1024 * 1024) });
    expect(response.status).toBe(413);
    expect(await response.json()).toEqual({ detail: 'The request body is larger than 1 MiB' });
  });

  it('a body nested beyond reason is 400, and one with too many values 413', async () => {
    expect((await postJson('/api/interviews', '['.repeat(100_000) + ']'.repeat(100_000))).status).toBe(400);
    expect((await postJson('/api/interviews', { questions: Array.from({ length: 20_000 }, () => ({})) })).status).toBe(
      413,
    );
  });

  it.each([[[1]], [null], [3], [true], ['x']])('%j in place of the object is model_attributes_type', async (body) => {
    const { detail } = (await (await postJson('/api/interviews', JSON.stringify(body))).json()) as {
      detail: unknown[];
    };
    expect(detail).toEqual([
      {
        type: 'model_attributes_type',
        loc: ['body'],
        msg: 'Input should be a valid dictionary or object to extract fields from',
        input: body,
      },
    ]);
  });
});

describe('validation in the words of pydantic', () => {
  const good = { title: 'Round', questions: [{ id: 'q1' }] };
  const issuesFor = async (change: Record<string, unknown>) => {
    const response = await postJson('/api/interviews', { ...good, ...change });
    expect(response.status).toBe(422);
    return ((await response.json()) as { detail: unknown[] }).detail;
  };

  it('a good body passes, and fields that are not known are dropped', async () => {
    const text = `{"__proto__": {"x": 1}, "constructor": 2, "unknown": 1, ${JSON.stringify(good).slice(1)}`;
    const response = await postJson('/api/interviews', text);
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ value: good });
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      'missing',
      { title: undefined },
      { loc: ['body', 'title'], msg: 'Field required', input: { questions: good.questions } },
    ],
    ['string_type', { title: 5 }, { loc: ['body', 'title'], msg: 'Input should be a valid string', input: 5 }],
    ['string_type', { title: null }, { loc: ['body', 'title'], msg: 'Input should be a valid string', input: null }],
    [
      'string_too_short',
      { title: '' },
      { loc: ['body', 'title'], msg: 'String should have at least 1 character', input: '', ctx: { min_length: 1 } },
    ],
    [
      'string_too_long',
      { title: 'x'.repeat(21) },
      {
        loc: ['body', 'title'],
        msg: 'String should have at most 20 characters',
        input: 'x'.repeat(21),
        ctx: { max_length: 20 },
      },
    ],
    [
      'literal_error',
      { language: 'fr' },
      {
        loc: ['body', 'language'],
        msg: "Input should be 'en' or 'de'",
        input: 'fr',
        ctx: { expected: "'en' or 'de'" },
      },
    ],
    [
      'bool_parsing',
      { keep: 'maybe' },
      { loc: ['body', 'keep'], msg: 'Input should be a valid boolean, unable to interpret input', input: 'maybe' },
    ],
    [
      'int_from_float',
      { rounds: 1.5 },
      {
        loc: ['body', 'rounds'],
        msg: 'Input should be a valid integer, got a number with a fractional part',
        input: 1.5,
      },
    ],
    ['int_type', { rounds: [] }, { loc: ['body', 'rounds'], msg: 'Input should be a valid integer', input: [] }],
    [
      'greater_than_equal',
      { rounds: 0 },
      { loc: ['body', 'rounds'], msg: 'Input should be greater than or equal to 1', input: 0, ctx: { ge: 1 } },
    ],
    ['list_type', { tags: 'a' }, { loc: ['body', 'tags'], msg: 'Input should be a valid list', input: 'a' }],
    ['list_type', { questions: 'q' }, { loc: ['body', 'questions'], msg: 'Input should be a valid list', input: 'q' }],
    ['list_type', { questions: {} }, { loc: ['body', 'questions'], msg: 'Input should be a valid list', input: {} }],
    ['list_type', { tags: null }, { loc: ['body', 'tags'], msg: 'Input should be a valid list', input: null }],
    ['list_type', { tags: {} }, { loc: ['body', 'tags'], msg: 'Input should be a valid list', input: {} }],
    [
      'model_attributes_type',
      { questions: [{ id: 'q1' }, []] },
      {
        loc: ['body', 'questions', 1],
        msg: 'Input should be a valid dictionary or object to extract fields from',
        input: [],
      },
    ],
    ['string_type', { tags: ['a', 1] }, { loc: ['body', 'tags', 1], msg: 'Input should be a valid string', input: 1 }],
    [
      'too_long',
      { tags: ['a', 'b', 'c', 'd'] },
      {
        loc: ['body', 'tags'],
        msg: 'List should have at most 3 items after validation, not 4',
        input: ['a', 'b', 'c', 'd'],
        ctx: { field_type: 'List', max_length: 3, actual_length: 4 },
      },
    ],
    ['missing', { questions: [{}] }, { loc: ['body', 'questions', 0, 'id'], msg: 'Field required', input: {} }],
    [
      'string_pattern_mismatch',
      { questions: [{ id: 'q1' }, { id: 'Q!' }] },
      {
        loc: ['body', 'questions', 1, 'id'],
        msg: "String should match pattern '^[a-z0-9]+$'",
        input: 'Q!',
        ctx: { pattern: '^[a-z0-9]+$' },
      },
    ],
    [
      'float_type',
      { questions: [{ id: 'q1', weight: {} }] },
      { loc: ['body', 'questions', 0, 'weight'], msg: 'Input should be a valid number', input: {} },
    ],
    [
      'model_attributes_type',
      { questions: ['q1'] },
      {
        loc: ['body', 'questions', 0],
        msg: 'Input should be a valid dictionary or object to extract fields from',
        input: 'q1',
      },
    ],
  ])('%s for %j', async (type, change, rest) => {
    expect(await issuesFor(change)).toEqual([{ type, ...rest }]);
  });

  it('several faults are all named, one per field', async () => {
    const issues = (await issuesFor({ title: 1, rounds: 'x', questions: undefined })) as { loc: unknown[] }[];
    expect(issues.map(({ loc }) => loc.join('.')).sort()).toEqual(['body.questions', 'body.rounds', 'body.title']);
  });

  it('each item of a list says what is wrong with itself', async () => {
    expect(await issuesFor({ tags: [1, '', 'ok'] })).toMatchObject([
      { type: 'string_type', loc: ['body', 'tags', 0], input: 1 },
      { type: 'string_too_short', loc: ['body', 'tags', 1], input: '' },
    ]);
  });

  it.each([
    [{ keep: 'yes' }, { keep: true }],
    [{ keep: 0 }, { keep: false }],
    [{ rounds: ' 2 ' }, { rounds: 2 }],
    [{ questions: [{ id: 'q1', weight: '1.5' }] }, { questions: [{ id: 'q1', weight: 1.5 }] }],
  ])('%j is taken, as pydantic takes it', async (change, seen) => {
    const response = await postJson('/api/interviews', { ...good, ...change });
    expect(await response.json()).toMatchObject({ value: seen });
  });

  it.each([
    ['limit=', 'int_parsing', 'limit', ''],
    ['limit=1e2', 'int_parsing', 'limit', '1e2'],
    ['limit=0x10', 'int_parsing', 'limit', '0x10'],
    ['limit=5&limit=x', 'int_parsing', 'limit', 'x'],
    ['limit=abc', 'int_parsing', 'limit', 'abc'],
    ['limit=0', 'greater_than_equal', 'limit', '0'],
    ['limit=201', 'less_than_equal', 'limit', '201'],
    ['cursor=', 'string_too_short', 'cursor', ''],
    ['dry_run=perhaps', 'bool_parsing', 'dry_run', 'perhaps'],
  ])('a query of %s is %s', async (query, type, name, input) => {
    const response = await call(`/api/interviews?${query}`);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ detail: [{ type, loc: ['query', name], input }] });
  });

  it('a query is converted, with its defaults', async () => {
    expect(await (await call('/api/interviews?dry_run=yes')).json()).toEqual({ value: { limit: 50, dry_run: true } });
    expect(await (await call('/api/interviews?limit=7')).json()).toEqual({ value: { limit: 7 } });
    expect(await (await call('/api/interviews?limit=x&limit=%2B8.0')).json()).toEqual({ value: { limit: 8 } });
  });
});

describe('ids in paths', () => {
  it.each(['a.b', '$where', '__proto__', 'constructor', 'prototype', '..%2Fx', 'a%0Ab', 'x'.repeat(65), '%20'])(
    '%s is refused with 422 at its place',
    async (id) => {
      const response = await call(`/api/upload-answer/s1/${id}`, { method: 'POST' });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({
        detail: [{ loc: ['path', 'question_id'], input: decodeURIComponent(id) }],
      });
    },
  );

  it('all that are wrong are named, in the order of the path', async () => {
    const response = await call('/api/upload-answer/a.b/prototype', { method: 'POST' });
    expect(await response.json()).toMatchObject({
      detail: [
        { type: 'string_pattern_mismatch', loc: ['path', 'session_id'], input: 'a.b' },
        { type: 'value_error', loc: ['path', 'question_id'], input: 'prototype', ctx: { error: {} } },
      ],
    });
  });

  it('good ids pass', async () => {
    const response = await call('/api/upload-answer/Session_1/q-1', { method: 'POST' });
    expect(await response.json()).toEqual({ value: ['Session_1', 'q-1'] });
    expect((await call(`/api/uploads/${'aB'.repeat(12)}`)).status).toBe(200);
    expect((await call('/api/recordings/7F1C2C1E-8A4E-4F55-9D3A-2F7A4C1C9B10', { method: 'PUT' })).status).toBe(200);
  });

  it('ObjectIds and UUIDs that are none are 422', async () => {
    expect((await call('/api/uploads/12')).status).toBe(422);
    expect((await call('/api/recordings/12', { method: 'PUT' })).status).toBe(422);
  });
});
