import { request } from 'node:http';
import { SignJWT } from 'jose';
import { STAGES } from '../../src/uploads/upload.schema.js';
import { type Caller, type Reply, startTestService, type TestService } from '../support/service.js';

const BOARD = '/admin/queues';

let service: TestService;
let alice: Caller;
let root: Caller;

beforeAll(async () => {
  service = await startTestService('api', { TRUST_PROXY: '1' });
  alice = await service.user('alice');
  root = await service.user('root', 'admin');
});
afterAll(() => service.stop());

/** What a browser would send back of the cookie that a caller gets. */
async function cookieOf(caller: Caller): Promise<{ cookie: string }> {
  const { headers } = await caller.post('/api/auth/cookie');
  return { cookie: headers.getSetCookie()[0]?.split(';')[0] ?? '' };
}

/** A request with a cookie: fetch would leave it out. */
function ask(method: string, path: string, headers: Record<string, string>): Promise<Omit<Reply, 'headers'>> {
  return new Promise((resolve, reject) => {
    const asked = request(`${service.url}${path}`, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    asked.on('error', reject).end();
  });
}

describe('the page cookie', () => {
  it('is HttpOnly, SameSite=Strict, for /admin, and ends no later than its token', async () => {
    const { status, headers, body } = await root.post('/api/auth/cookie');
    expect(status).toBe(200);
    const [cookie] = headers.getSetCookie();
    const attributes = (cookie ?? '').split('; ').slice(1);
    expect(attributes).toEqual(expect.arrayContaining(['Path=/admin', 'HttpOnly', 'SameSite=Strict']));
    expect(attributes).not.toContain('Secure');
    expect(body.path).toBe('/admin');
    const leftS = (Date.parse(body.expires_at) - Date.now()) / 1000;
    expect(leftS).toBeGreaterThan(3590);
    expect(leftS).toBeLessThanOrEqual(3600);
  });

  it('is Secure where the request came by https', async () => {
    const { headers } = await root.post('/api/auth/cookie', undefined, { 'x-forwarded-proto': 'https' });
    expect(headers.getSetCookie()[0]).toMatch(/; Secure(;|$)/);
  });

  it('is given for a token in the header alone, and not for one that a browser would not keep', async () => {
    expect((await service.nobody().post('/api/auth/cookie')).status).toBe(401);
    expect((await ask('POST', '/api/auth/cookie', await cookieOf(root))).status).toBe(401);
    const long = await new SignJWT({ roles: ['admin'], note: 'x'.repeat(4000) })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('root')
      .sign(new TextEncoder().encode(service.environment['JWT_SECRET']));
    const reply = await service.nobody().post('/api/auth/cookie', undefined, { authorization: `Bearer ${long}` });
    expect(reply.status).toBe(413);
    expect(reply.headers.getSetCookie()).toEqual([]);
  });

  it('opens nothing but pages: no route of the API, and no method but GET', async () => {
    const cookie = await cookieOf(root);
    expect((await ask('GET', BOARD, cookie)).status).toBe(200);
    for (const path of ['/api/admin/overview', '/api/sessions', '/api/uploads', '/api/admin/audit'])
      expect({ path, status: (await ask('GET', path, cookie)).status }).toEqual({ path, status: 401 });
    expect((await ask('POST', '/api/admin/cleanup', cookie)).status).toBe(401);
    expect((await ask('HEAD', BOARD, cookie)).status).toBe(401);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect((await ask(method, `${BOARD}/api/queues/pause`, cookie)).status).toBe(405);
    const broken = { cookie: `${cookie.cookie}x` };
    expect((await ask('GET', BOARD, broken)).status).toBe(401);
    expect((await ask('GET', BOARD, { ...cookie, authorization: 'Bearer nonsense' })).status).toBe(401);
  });
});

describe('Bull Board', () => {
  it('is for admins: 401 without a token, 403 for everybody else', async () => {
    for (const path of [BOARD, `${BOARD}/`, `${BOARD}/api/queues`, `${BOARD}/static/favicon.ico`]) {
      expect((await service.nobody().get(path)).status).toBe(401);
      expect((await alice.get(path)).status).toBe(403);
      expect((await ask('GET', path, await cookieOf(alice))).status).toBe(403);
    }
  });

  it('is a page whose files are all its own, under a policy that lets them in and nothing else', async () => {
    const page = await root.get(BOARD);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('x-powered-by')).toBeNull();
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("base-uri 'self'");
    expect(policy).toContain("script-src 'self'");
    expect((await root.get('/docs')).headers.get('content-security-policy')).toContain("base-uri 'none'");

    expect(page.body).toContain(`<base href="${BOARD}/" />`);
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const cookie = await cookieOf(root);
    const files = [...(page.body as string).matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(4);
    for (const file of files)
      expect({ file, status: (await ask('GET', `${BOARD}/${file}`, cookie)).status }).toEqual({ file, status: 200 });
    expect((await ask('GET', `${BOARD}/queue/transcription`, cookie)).body).toContain('<div id="root">');
    expect((await ask('GET', `${BOARD}/no/such/page`, cookie)).status).toBe(404);
  });

  it('shows the queues and their jobs by cookie, and nothing can be changed by it', async () => {
    const session = await alice.session(['q1']);
    await alice.post(`/api/text-answer/${session}/q1`, { text: 'Written, and there is no worker to score it.' });
    const cookie = await cookieOf(root);
    const { status, body } = await ask('GET', `${BOARD}/api/queues?activeQueue=analysis&page=1`, cookie);
    expect(status).toBe(200);
    const { queues } = JSON.parse(body as string);
    expect(queues.map((queue: { name: string }) => queue.name)).toEqual([...STAGES, 'sweep', 'webhooks']);
    expect(queues.every((queue: { readOnlyMode: boolean }) => queue.readOnlyMode)).toBe(true);
    const analysis = queues.find((queue: { name: string }) => queue.name === 'analysis');
    expect(analysis.counts.waiting).toBe(1);
    expect(Object.keys(analysis.jobs[0].data)).toEqual(['upload_id', 'correlation_id']);
    // Nor with the token itself.
    expect((await root.send('PUT', `${BOARD}/api/queues/analysis/empty`)).status).toBe(405);
    expect((await root.send('PUT', `${BOARD}/api/queues/pause`)).status).toBe(405);
  });
});
