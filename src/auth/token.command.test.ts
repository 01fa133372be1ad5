import { jwtVerify } from 'jose';
import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/config.js';
import { loadOrCreateSecret } from './jwt-secret.file.js';
import { tokenCommand } from './token.command.js';

const freshFolder = () => mkdtemp(join(tmpdir(), 'vivavoce-auth-'));

describe('the secret of a laptop', () => {
  it('is the same for everyone who asks at the same time, and for nobody else to read', async () => {
    const folder = join(await freshFolder(), 'made', 'on', 'demand');
    const secrets = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateSecret(folder)));
    expect(new Set(secrets).size).toBe(1);
    expect(secrets[0]).toMatch(/^[\w-]{64}$/);
    const file = join(folder, 'jwt-secret');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toBe(secrets[0]);
  });
});

describe('vivavoce token', () => {
  const verified = async (token: string, secret: string) =>
    (await jwtVerify(token, new TextEncoder().encode(secret), { algorithms: ['HS256'] })).payload;

  it('signs with the secret in the data folder when none is configured', async () => {
    const folder = await freshFolder();
    const token = await tokenCommand(
      ['--user', 'alice', '--role', 'admin', '--expires', '30m'],
      loadConfig({ DATA_DIR: folder }),
    );
    const payload = await verified(token, await loadOrCreateSecret(folder));
    expect(payload).toMatchObject({ sub: 'alice', roles: ['admin'] });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(1800);
  });

  it('signs with the configured secret, issuer and audience', async () => {
    const JWT_SECRET = 'x'.repeat(32);
    const config = loadConfig({ JWT_SECRET, JWT_ISSUER: 'us', JWT_AUDIENCE: 'them' });
    const payload = await verified(await tokenCommand(['--user', 'bob'], config), JWT_SECRET);
    expect(payload).toMatchObject({ sub: 'bob', iss: 'us', aud: 'them' });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(12 * 3600);
  });

  it.each([[[]], [['--user', ' ']], [['--user', 'a', '--expires', 'soon']], [['--user', 'a', '--expires', '0h']]])(
    'refuses %j with a sentence',
    async (args) => {
      await expect(tokenCommand(args, loadConfig({ JWT_SECRET: 'x'.repeat(32) }))).rejects.toMatchObject({
        code: 'usage',
      });
    },
  );

  it('says so when tokens are signed elsewhere', async () => {
    const config = loadConfig({ JWT_JWKS_URL: 'https://id.example/jwks' });
    await expect(tokenCommand(['--user', 'a'], config)).rejects.toMatchObject({ code: 'no_secret' });
  });
});
