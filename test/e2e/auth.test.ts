import { jest } from '@jest/globals';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type MannersApp, startMannersApp, TEST_SECRET } from './manners.app.js';
import { MannersController } from './manners.controller.js';

const SECRET = new TextEncoder().encode(TEST_SECRET);

/** The connection under a request needs real timers; only what the service reads as the time is to change. */
const EVERYTHING_BUT_THE_DATE = [
  'nextTick',
  'setImmediate',
  'clearImmediate',
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'queueMicrotask',
  'performance',
] as const;

interface Signer {
  alg?: string;
  key?: Uint8Array | CryptoKey;
  kid?: string;
}

function token(claims: JWTPayload, { alg = 'HS256', key = SECRET, kid }: Signer = {}) {
  return new SignJWT({ sub: 'alice', ...claims }).setProtectedHeader({ alg, ...(kid ? { kid } : {}) }).sign(key);
}

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

const me = (service: MannersApp, authorization?: string) =>
  fetch(`${service.url}/api/me`, { headers: authorization === undefined ? {} : { authorization } });

async function expectRefused(response: Response): Promise<void> {
  expect(response.status).toBe(401);
  expect(response.headers.get('www-authenticate')).toBe('Bearer');
  expect(await response.json()).toEqual({ detail: 'Not authenticated' });
}

describe('tokens by a shared secret', () => {
  let service: MannersApp;
  beforeAll(async () => {
    service = await startMannersApp(
      { controllers: [MannersController] },
      { JWT_ISSUER: 'us', JWT_AUDIENCE: 'vivavoce' },
    );
  });
  afterAll(() => service.close());

  const good = { iss: 'us', aud: 'vivavoce', exp: inSeconds(600) };

  it('a good token says who calls and in which roles', async () => {
    const response = await me(service, `Bearer ${await token({ ...good, role: 'admin', roles: ['editor', 'admin'] })}`);
    expect(await response.json()).toEqual({ value: { id: 'alice', roles: ['admin', 'editor'] } });
    expect((await me(service, `bearer ${await token(good)}`)).status).toBe(200);
  });

  it.each<[string, JWTPayload]>([
    ['expired', { ...good, exp: inSeconds(-60) }],
    ['not valid yet', { ...good, nbf: inSeconds(60) }],
    ['of another issuer', { ...good, iss: 'them' }],
    ['for another audience', { ...good, aud: 'them' }],
    ['without issuer', { ...good, iss: undefined }],
    ['without subject', { ...good, sub: undefined }],
    ['with an empty subject', { ...good, sub: '' }],
    ['with a subject beyond measure', { ...good, sub: 'x'.repeat(257) }],
    ['with a control character in its subject', { ...good, sub: 'a\u0000b' }],
    ['with a subject that is no text', { ...good, sub: 5 as unknown as string }],
  ])('a token %s is refused', async (_name, claims) => {
    await expectRefused(await me(service, `Bearer ${await token(claims)}`));
  });

  it('a clock that is a little off does not matter', async () => {
    expect((await me(service, `Bearer ${await token({ ...good, exp: inSeconds(-2) })}`)).status).toBe(200);
  });

  it('no token, another scheme and rubbish are refused alike', async () => {
    for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a.b.c', 'Bearer x', 'Bearer a b']) {
      await expectRefused(await me(service, header));
    }
  });

  it('alg none, another HMAC, another key and a changed payload are refused', async () => {
    await expectRefused(await me(service, `Bearer ${new UnsecuredJWT({ sub: 'alice', ...good }).encode()}`));
    await expectRefused(await me(service, `Bearer ${await token(good, { alg: 'HS512' })}`));
    await expectRefused(
      await me(service, `Bearer ${await token(good, { key: new TextEncoder().encode('x'.repeat(40)) })}`),
    );
    const [head, , signature] = (await token(good)).split('.');
    const payload = Buffer.from(JSON.stringify({ ...good, sub: 'mallory' })).toString('base64url');
    await expectRefused(await me(service, `Bearer ${head}.${payload}.${signature}`));
  });

  it('a token that was accepted once is refused when it has expired', async () => {
    const header = `Bearer ${await token({ ...good, exp: inSeconds(30) })}`;
    expect((await me(service, header)).status).toBe(200);
    jest.useFakeTimers({ now: Date.now() + 61_000, doNotFake: [...EVERYTHING_BUT_THE_DATE] });
    try {
      await expectRefused(await me(service, header));
    } finally {
      jest.useRealTimers();
    }
  });

  it('a role that is missing is 403, and the role lets in', async () => {
    const ask = async (claims: JWTPayload) =>
      fetch(`${service.url}/api/admin-only`, {
        headers: { authorization: `Bearer ${await token({ ...good, ...claims })}` },
      });
    const refused = await ask({ role: 'user' });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toEqual({ detail: 'Not enough permissions' });
    expect((await ask({ role: 'admin' })).status).toBe(200);
    expect((await ask({ roles: ['admin'] })).status).toBe(200);
  });
});

describe('tokens by a JWKS', () => {
  let keyServer: Server;
  let keys: JWK[] = [];
  let broken = false;
  let reads = 0;
  let service: MannersApp;

  beforeAll(async () => {
    keyServer = createServer((_request, response) => {
      reads++;
      response.writeHead(broken ? 500 : 200, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(async () => {
    broken = false;
    const { port } = keyServer.address() as AddressInfo;
    service = await startMannersApp(
      { controllers: [MannersController] },
      { JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks`, JWT_SECRET: '' },
    );
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await service.close();
  });
  afterAll(() => new Promise((resolve) => keyServer.close(resolve)));

  async function pair(alg: 'RS256' | 'ES256', kid: string) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return { alg, kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
  }

  it.each(['RS256', 'ES256'] as const)('%s is accepted', async (alg) => {
    const signer = await pair(alg, `${alg}-1`);
    keys = [signer.jwk];
    const response = await me(service, `Bearer ${await token({ exp: inSeconds(60) }, signer)}`);
    expect(response.status).toBe(200);
  });

  it('the keys are read once, not with every request', async () => {
    const signer = await pair('ES256', 'once');
    keys = [signer.jwk];
    reads = 0;
    for (let call = 0; call < 5; call++) {
      expect((await me(service, `Bearer ${await token({ exp: inSeconds(60 + call) }, signer)}`)).status).toBe(200);
    }
    expect(reads).toBe(1);
  });

  it('after a rotation the new key is accepted and an unknown one is 401', async () => {
    const [old, fresh] = [await pair('ES256', 'old'), await pair('ES256', 'new')];
    keys = [old.jwk];
    expect((await me(service, `Bearer ${await token({ exp: inSeconds(60) }, old)}`)).status).toBe(200);
    keys = [fresh.jwk];
    const now = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => now + 10_000);
    expect((await me(service, `Bearer ${await token({ exp: inSeconds(60) }, fresh)}`)).status).toBe(200);
    await expectRefused(
      await me(service, `Bearer ${await token({ exp: inSeconds(61) }, await pair('ES256', 'unknown'))}`),
    );
  });

  it('the public key is no HMAC secret, and HS256 is not accepted beside a JWKS alone', async () => {
    const signer = await pair('RS256', 'rsa');
    keys = [signer.jwk];
    const confused = new TextEncoder().encode(JSON.stringify(signer.jwk));
    await expectRefused(await me(service, `Bearer ${await token({ exp: inSeconds(60) }, { key: confused })}`));
    await expectRefused(await me(service, `Bearer ${await token({ exp: inSeconds(60) })}`));
  });

  it('keys that cannot be read are 503 with Retry-After, not 401', async () => {
    broken = true;
    const signer = await pair('ES256', 'unread');
    const response = await me(service, `Bearer ${await token({ exp: inSeconds(60) }, signer)}`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    broken = false;
    keys = [signer.jwk];
    expect((await me(service, `Bearer ${await token({ exp: inSeconds(60) }, signer)}`)).status).toBe(200);
  });
});
