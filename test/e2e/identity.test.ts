import { Caller, type Json, speech, startTestService, type TestService } from '../support/service.js';

const WEBM = speech('reading.webm');
/** Routes that anyone may ask. */
const OPEN = ['/health/live', '/health/ready', '/metrics'];
/** Routes that answer from what is the caller's own, or make something new: they name nobody else's. */
const OWN = [
  'GET /api/sessions',
  'POST /api/sessions',
  'GET /api/uploads',
  'POST /api/uploads/check',
  'POST /api/auth/cookie',
  'GET /api/webhooks',
  'POST /api/webhooks',
];

interface Operation {
  method: string;
  /** As the document has it. */
  path: string;
  name: string;
  parameters: { name: string; in: string; schema: { pattern?: string } }[];
}

let service: TestService;
let alice: Caller;
let mallory: Caller;
let operations: Operation[];
/** What the path's parameters name: all of it alice's. */
let hers: Record<string, string>;

beforeAll(async () => {
  service = await startTestService('api');
  alice = await service.user('alice');
  mallory = await service.user('mallory');
  const session = await alice.session(['q1'], { id: 'hers' });
  const upload = await alice.upload(session, 'q1', WEBM);
  const webhook = await alice.post('/api/webhooks', { url: 'https://hooks.example/a', events: ['answer.completed'] });
  const webhook_id: string = webhook.body.id;
  const delivery = await alice.post(`/api/webhooks/${webhook_id}/test`);
  hers = {
    session_id: session,
    question_id: 'q1',
    upload_id: upload.body.upload_id,
    webhook_id,
    delivery_id: delivery.body.id,
  };
  const { body: document } = await service.nobody().get('/openapi.json');
  operations = Object.entries(document.paths as Record<string, Json>).flatMap(([path, item]) =>
    Object.keys(item).map((method) => ({
      method: method.toUpperCase(),
      path,
      name: `${method.toUpperCase()} ${path}`,
      parameters: item[method].parameters ?? [],
    })),
  );
});
afterAll(() => service.stop());

const guarded = () => operations.filter((operation) => !OPEN.includes(operation.path));
const inPath = ({ parameters }: Operation) => parameters.filter((parameter) => parameter.in === 'path');
const isAdmin = ({ path }: Operation) => /^\/(api\/)?admin\//.test(path);

/** The path with `given` in place of its parameters. */
function filled(path: string, given: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = given[name];
    // A route with a parameter that is not known here must be given one, and an owner.
    if (value === undefined) throw new Error(`The test has no value for {${name}} of ${path}`);
    return encodeURIComponent(value);
  });
}

/** A well-formed request of a route, so that only who asks can be wrong with it. */
function ask(caller: Caller, { method, path }: Operation, given: Record<string, string> = hers) {
  const where = filled(path, given);
  if (path.startsWith('/api/upload-answer/')) return caller.upload(given['session_id']!, given['question_id']!, WEBM);
  if (path.startsWith('/api/text-answer/')) return caller.post(where, { text: 'An answer.' });
  if (method === 'POST' && path === '/api/sessions') return caller.post(where, { questions: [] });
  if (method === 'PATCH') {
    const headers = { 'content-type': 'application/json' };
    return caller.send(method, where, { headers, body: JSON.stringify({ description: 'Mine now.' }) });
  }
  return caller.send(method, where);
}

describe('every route', () => {
  it('is in the document: there are routes to ask', () => {
    expect(operations.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['POST /api/upload-answer/{session_id}/{question_id}', 'POST /api/admin/cleanup']),
    );
  });

  it('answers 401 to who does not say who they are, before it looks at anything else', async () => {
    for (const operation of guarded()) {
      for (const authorization of ['', 'Bearer nonsense', 'Basic YWxpY2U6']) {
        const { status, headers, body } = await ask(new Caller(service.url, authorization), operation);
        expect([operation.name, status]).toEqual([operation.name, 401]);
        expect(headers.get('www-authenticate')).toBe('Bearer');
        expect(body).toEqual({ detail: 'Not authenticated' });
      }
    }
  });

  it("answers 404 to another user who names what is alice's, as if it were not there", async () => {
    const none = '0'.repeat(24);
    const nobodys = {
      session_id: 'never-made',
      question_id: 'q1',
      upload_id: none,
      webhook_id: none,
      delivery_id: none,
    };
    const named = guarded().filter((operation) => !isAdmin(operation) && !OWN.includes(operation.name));
    expect(named.length).toBeGreaterThanOrEqual(7);
    for (const operation of named) {
      expect([operation.name, inPath(operation).length > 0]).toEqual([operation.name, true]);
      const hersAsked = await ask(mallory, operation);
      const nobodysAsked = await ask(mallory, operation, nobodys);
      expect([operation.name, hersAsked.status]).toEqual([operation.name, 404]);
      expect(hersAsked.body).toEqual(nobodysAsked.body);
    }
  });

  it('of an admin answers 403 to who is none', async () => {
    for (const operation of operations.filter(isAdmin)) {
      const { status, body } = await ask(alice, operation);
      expect([operation.name, status, body]).toEqual([operation.name, 403, { detail: 'Not enough permissions' }]);
    }
  });

  it("shows an admin no other user's sessions: the role opens the admin's routes alone", async () => {
    const admin = await service.user('root', 'admin');
    for (const operation of guarded().filter((each) => !isAdmin(each) && !OWN.includes(each.name))) {
      expect([operation.name, (await ask(admin, operation)).status]).toEqual([operation.name, 404]);
    }
  });

  it("after all of that, what is alice's is as it was, and the others see nothing of it", async () => {
    const { body } = await alice.get('/api/sessions/hers');
    expect(body.answers.q1).toMatchObject({ id: hers['upload_id'], transcription_status: 'queued' });
    expect(await service.rows('hers')).toHaveLength(1);
    expect((await mallory.get('/api/uploads')).body.items).toEqual([]);
    expect((await mallory.get('/api/uploads?session_id=hers')).body.items).toEqual([]);
    const { items } = (await mallory.get('/api/sessions')).body;
    expect(items.map((item: Json) => item.id)).not.toContain('hers');
  });
});

describe('an id in a path', () => {
  const HOSTILE = [
    'a.b',
    '$where',
    '__proto__',
    'constructor',
    'prototype',
    '../x',
    '..%2fx',
    'a/b',
    'a\nb',
    'ab\n',
    'a\r\nX-Evil: 1',
    '\u0000',
    'q1\u0000',
    ' ',
    'é',
    '{"$gt":""}',
    '[$ne]',
    "';--",
    'x'.repeat(65),
    'x'.repeat(5000),
  ];

  it.each(HOSTILE)('such as %j is a 422 at every route, for every parameter', async (id) => {
    for (const operation of guarded()) {
      if (isAdmin(operation)) continue;
      for (const { name, schema } of inPath(operation)) {
        const { status, body } = await ask(alice, operation, { ...hers, [name]: id });
        expect([operation.name, status]).toEqual([operation.name, 422]);
        expect(body.detail[0]).toMatchObject({ loc: ['path', name], input: id });
        if (body.detail[0].ctx?.pattern) expect(body.detail[0].ctx.pattern).toBe(schema.pattern);
      }
    }
    expect(({} as Json).transcription_status).toBeUndefined();
  });

  it.each(['/api/sessions/%', '/api/sessions/%zz', '/api/sessions/%00', '/api/sessions/%C0%80'])(
    '%s is refused with 400 or 422',
    async (path) => {
      expect([400, 422]).toContain((await alice.get(path)).status);
    },
  );

  it('with dots in it leads to no file and no other route', async () => {
    for (const path of [
      '/api/sessions/../../etc/passwd',
      '/api/sessions/..%2f..%2fetc%2fpasswd',
      '/docs/..%2f..%2fpackage.json',
    ]) {
      expect([401, 404, 422]).toContain((await alice.get(path)).status);
    }
  });
});

describe('a user id', () => {
  it.each(['auth0|a/b.c$d', '$where', '__proto__', 'a.b', '../alice', 'hers/alice', 'ü@example.com', 'x'.repeat(256)])(
    'such as %s is a user like any other, and nobody else',
    async (id) => {
      const user = await service.user(id);
      expect((await user.get('/api/sessions/hers')).status).toBe(404);
      const session = await user.session(['q1'], { id: 'mine' });
      expect((await user.upload(session, 'q1', WEBM)).status).toBe(200);
      expect((await user.get(`/api/transcription-status/${session}/q1`)).body.status).toBe('queued');
      const { items } = (await user.get('/api/uploads')).body;
      expect(items).toHaveLength(1);
      expect((await alice.get(`/api/uploads/${items[0].upload_id}`)).status).toBe(404);
      expect((await user.delete(`/api/sessions/${session}`)).body).toMatchObject({ answers: 1, audio_files: 1 });
    },
  );

  it('that ends as another begins does not reach their session', async () => {
    const slash = await service.user('b/alice');
    await (await service.user('alice')).session([], { id: 'a' });
    expect((await slash.get('/api/sessions/a')).status).toBe(404);
  });
});
