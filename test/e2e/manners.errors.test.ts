import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { bearer, type MannersApp, startMannersApp } from './manners.app.js';
import { MannersController } from './manners.controller.js';

let service: MannersApp;
let auth: { authorization: string };

beforeAll(async () => {
  service = await startMannersApp({ controllers: [MannersController] }, { CORS_ORIGINS: 'https://app.example' });
  auth = await bearer();
});
afterAll(() => service.close());

const call = (path: string, init: RequestInit = {}) =>
  fetch(service.url + path, { ...init, headers: { ...auth, ...(init.headers as Record<string, string>) } });

/** Sends bytes as they are and returns everything that came back. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.end(bytes);
  return text(socket);
}

describe('errors', () => {
  it.each([
    ['bad_request', 400, 'That makes no sense', {}],
    ['not_found', 404, 'Session not found', {}],
    ['nest_not_found', 404, 'No such thing', {}],
    ['conflict', 409, 'Already done', {}],
    ['too_large', 413, 'Too large', {}],
    ['unsupported', 415, 'Not audio', {}],
    ['rate_limited', 429, 'Slowly', { 'retry-after': '7' }],
    ['upstream', 502, 'The other side failed', {}],
    ['unavailable', 503, 'Not now', { 'retry-after': '5' }],
    ['mongo', 503, 'The database cannot be reached at the moment. Please try again.', { 'retry-after': '5' }],
    ['not_primary', 503, 'The database cannot be reached at the moment. Please try again.', { 'retry-after': '5' }],
  ])('%s answers %i in the shape {"detail": …}', async (kind, status, detail, headers) => {
    const response = await call(`/api/errors/${kind}`);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ detail });
    expect(Object.fromEntries(response.headers)).toMatchObject(headers);
  });

  it.each(['bug', 'nest_500'])(
    'an unexpected %s tells the caller nothing but the correlation id, and is logged',
    async (kind) => {
      const response = await call(`/api/errors/${kind}`, { headers: { 'x-correlation-id': `find-${kind}` } });
      expect(response.status).toBe(500);
      expect(await response.json()).toEqual({ detail: 'Internal Server Error', correlation_id: `find-${kind}` });
      const line = service.lines.find(
        (entry) => entry['correlation_id'] === `find-${kind}` && entry['level'] === 'error',
      );
      expect(line?.['err']).toMatchObject({ stack: expect.stringContaining('manners.controller') });
    },
  );

  it('an answer that has begun is cut off, not completed', async () => {
    await expect(call('/api/half').then((response) => response.text())).rejects.toThrow();
  });

  it('an unknown path is 404, without a token as well', async () => {
    const response = await fetch(`${service.url}/api/nothing`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ detail: 'Not Found' });
  });

  it('a known path with another method is 405 and says which methods there are', async () => {
    const response = await call('/api/upload-answer/s1/q1', { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).toEqual({ detail: 'Method Not Allowed' });
    expect((await call('/api/interviews', { method: 'PATCH' })).headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it('HEAD is answered where GET is, and nowhere else', async () => {
    const head = await call('/api/me', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const stray = await call('/api/upload-answer/s1/q1', { method: 'HEAD' });
    expect([stray.status, stray.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await call('/api/nothing', { method: 'HEAD' })).status).toBe(404);
  });

  it('a path in other letters is another path', async () => {
    expect((await call('/API/me')).status).toBe(404);
  });

  it('percent-encoding that cannot be decoded is 400', async () => {
    const response = await call('/api/uploads/%E0%A4%A');
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ detail: expect.any(String) });
  });

  it('what is no HTTP, and headers beyond all measure, are 400 in JSON', async () => {
    for (const request of ['NONSENSE\r\n\r\n', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`]) {
      const answer = await raw(request);
      expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(answer).toContain('{"detail":"Invalid HTTP request received."}');
      expect(answer).toMatch(/^X-Correlation-ID: [0-9a-f-]{36}\r$/m);
    }
  });
});

describe('headers', () => {
  it('no answer names its software, and each carries the security headers', async () => {
    const { headers } = await call('/api/me');
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('etag')).toBeNull();
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  it('CORS lets in the configured origin alone, and shows it the headers it needs', async () => {
    const allowed = await call('/api/me', { headers: { origin: 'https://app.example' } });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(allowed.headers.get('access-control-expose-headers')).toContain('Retry-After');
    const other = await call('/api/me', { headers: { origin: 'https://evil.example' } });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    const preflight = await fetch(`${service.url}/api/interviews`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,idempotency-key',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('idempotency-key');
  });
});
