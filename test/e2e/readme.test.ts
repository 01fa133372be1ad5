import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestService, eventually, startTestService } from '../support/service.js';

const root = join(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(join(root, name), 'utf8');
const readme = read('README.md');

/** The blocks behind `<!-- example -->`, in order: each goes on where the one before it ended. */
const examples = [...readme.matchAll(/<!-- example -->\n```bash\n([\s\S]*?)```/g)].map(([, script]) => script ?? '');

describe('README.md', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService('all');
  });
  afterAll(() => service.stop());

  it('has examples that work, one after the other, as they stand', async () => {
    expect(examples.length).toBeGreaterThanOrEqual(6);
    const caller = await service.user('alice');
    const token = caller.authorization.replace('Bearer ', '');
    for (const [index, script] of examples.entries()) {
      const run = await shell(script, { VIVAVOCE: caller.url, TOKEN: token });
      expect({ script, ...run }).toMatchObject({ script, status: 0 });
      if (script.includes('/api/upload-answer')) {
        await eventually(async () => {
          const { body } = await caller.get('/api/transcription-status/interview-1/q1');
          expect(body.status).toBe('completed');
        });
      }
      expect({ index, answers: run.stdout.startsWith('{') }).toEqual({ index, answers: true });
    }
  });

  it('names only commands, files and npm scripts that exist', () => {
    const documents = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'].map(read).join('\n');
    for (const [, script] of documents.matchAll(/npm run (?:--silent )?([\w:]+)/g))
      expect(JSON.parse(read('package.json')).scripts).toHaveProperty([script ?? '']);
    const paths = [...documents.matchAll(/(?:^|[\s`(])((?:src|scripts|bench|docs|test)\/[\w./-]+\w)/gm)].map(
      ([, path]) => path,
    );
    expect(paths.length).toBeGreaterThan(15);
    expect(paths.filter((path) => !existsSync(join(root, path ?? '')))).toEqual([]);
    for (const [, target] of documents.matchAll(/\]\(([\w./-]+)\)/g))
      expect({ target, exists: existsSync(join(root, target ?? '')) }).toEqual({ target, exists: true });
  });

  it('has a configuration that starts production as it says', () => {
    const start = (environment: Record<string, string>) =>
      spawnSync(process.execPath, [join(root, 'dist/main.js'), 'api'], {
        // Away from a .env file that the checkout may have.
        cwd: tmpdir(),
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...environment },
      });
    const { status, stderr } = start({ PORT: 'many' });
    expect(status).toBe(78);
    expect(stderr.trim().split('\n').sort()).toEqual([
      expect.stringMatching(/^JWT_SECRET: /),
      expect.stringMatching(/^MONGODB_URI: /),
      expect.stringMatching(/^PORT: must be a whole number/),
      expect.stringMatching(/^REDIS_URL: /),
    ]);
    expect(stderr).not.toContain('many');
  });
});

/** Beside the service in this process, so without blocking it. */
async function shell(script: string, environment: Record<string, string>): Promise<{ status: number; stdout: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...environment },
  });
  let stdout = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)));
  return { status, stdout };
}
