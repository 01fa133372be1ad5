import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { EVENT_TYPES } from '../../src/events/owed.js';
import { newSecret, signedHeaders } from '../../src/webhooks/signature.js';
import { type Caller, eventually, startTestService, type TestService } from '../support/service.js';

const root = join(import.meta.dirname, '../..');
const document = readFileSync(join(root, 'docs/WEBHOOKS.md'), 'utf8');
const example = (name: string): string =>
  new RegExp(`<!-- example: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(document)?.[1] ?? '';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('docs/WEBHOOKS.md', () => {
  let service: TestService;
  let alice: Caller;
  let receiver: ChildProcess | null = null;
  beforeAll(async () => {
    service = await startTestService('all', { WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_RETRY_S: '0.2,0.2,0.2,0.5,1' });
    alice = await service.user('alice');
  });
  afterAll(async () => {
    receiver?.kill();
    await service.stop();
  });

  async function shell(name: string, environment: Record<string, string>): Promise<unknown> {
    const TOKEN = alice.authorization.replace('Bearer ', '');
    const child = spawn('bash', ['-euo', 'pipefail', '-c', example(name)], {
      env: { PATH: process.env['PATH'], VIVAVOCE: alice.url, TOKEN, ...environment },
    });
    let stdout = '';
    child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect({ name, code }).toEqual({ name, code: 0 });
    return JSON.parse(stdout);
  }

  it('has examples that work together: the webhook is made, and the receiver as it stands trusts what it gets', async () => {
    const port = await freePort();
    const RECEIVER = `http://127.0.0.1:${port}/`;
    const made = (await shell('create', { RECEIVER })) as { id: string; secret: string };
    receiver = spawn(process.execPath, ['--input-type=module', '-e', example('receiver')], {
      cwd: root,
      env: { PORT: String(port), WEBHOOK_SECRET: made.secret },
    });
    let printed = '';
    receiver.stdout?.on('data', (bytes: Buffer) => (printed += bytes.toString()));

    const WEBHOOK_ID = made.id;
    await shell('test', { WEBHOOK_ID });
    await eventually(() => expect(printed).toMatch(/^msg_\S+ webhook\.test \{/m));
    await eventually(async () => {
      const { items } = (await shell('deliveries', { WEBHOOK_ID })) as { items: { state: string }[] };
      expect(items.map(({ state }) => state)).toEqual(['delivered']);
    });
    const forged = await fetch(RECEIVER, {
      method: 'POST',
      body: '{"type":"webhook.test"}',
      headers: signedHeaders('msg_1', new Date(), '{"type":"webhook.test"}', [newSecret()]),
    });
    expect(forged.status).toBe(400);
  });

  const hasPython = spawnSync('python3', ['--version']).status === 0;
  (hasPython ? it : it.skip)(
    `has a check in Python that is right${hasPython ? '' : ' [skipped: python3 is not installed]'}`,
    () => {
      const body = '{"type":"webhook.test","data":{"name":"Zoë"}}';
      const [secret, other] = [newSecret(), newSecret()];
      const headers = signedHeaders('msg_1', new Date(), body, [other, secret]);
      const old = signedHeaders('msg_1', new Date(Date.now() - 600_000), body, [secret]);
      const check = (key: string, given: Record<string, string>, text: string) =>
        `print(is_genuine(${JSON.stringify(key)}, ${JSON.stringify(given)}, bytes.fromhex("${Buffer.from(text).toString('hex')}")))`;
      const script = [
        example('python'),
        check(secret, headers, body),
        check(newSecret(), headers, body),
        check(secret, headers, `${body} `),
        check(secret, old, body),
      ].join('\n');
      const { stdout, stderr } = spawnSync('python3', ['-c', script], { encoding: 'utf8' });
      expect({ stderr, lines: stdout.trim().split('\n') }).toEqual({
        stderr: '',
        lines: ['True', 'False', 'False', 'False'],
      });
    },
  );

  it('names every event and every setting of webhooks and alerts', () => {
    for (const type of EVENT_TYPES) expect(document).toContain(`\`${type}\``);
    const settings = Object.keys(service.environment).filter((name) => name.startsWith('WEBHOOK_'));
    expect(settings.length).toBeGreaterThan(1);
    for (const name of settings) expect(document).toContain(name);
  });
});
