import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { variables } from '../../src/config/variables.js';

interface ComposeService {
  image: string;
  command: string[];
  env_file?: { path: string; required: boolean }[];
  environment?: Record<string, string>;
  deploy?: { replicas: number };
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
}

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const { services } = parse(text, { merge: true }) as { services: Record<string, ComposeService> };
const secret = 's'.repeat(32);

/** What compose makes of `${NAME:-default}` and `${NAME:?message}` when only JWT_SECRET is set. */
function environmentOf(name: string): Record<string, string> {
  const entries = Object.entries(services[name]?.environment ?? {}).map(([key, value]) => {
    const set = value.replace(/\$\{(\w+)(?::[-?]([^}]*))?\}/, (_, variable: string, fallback: string) =>
      variable === 'JWT_SECRET' ? secret : fallback,
    );
    return [key, set] as const;
  });
  return Object.fromEntries(entries);
}

const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0;
const withCompose = hasCompose ? it : it.skip;

describe('docker-compose.yml', () => {
  it.each(['api', 'worker'])('gives %s settings that production accepts, and none that nobody reads', (role) => {
    const environment = environmentOf(role);
    expect(loadConfig(environment, { ROLE: role })).toMatchObject({ NODE_ENV: 'production', JWT_SECRET: secret });
    expect(Object.keys(environment).filter((name) => !(name in variables))).toEqual([]);
    expect(services[role]?.command).toEqual([role]);
  });

  it.each(['api', 'worker'])(
    'lets %s have any other setting from .env, such as S3, and keeps to its own network',
    (role) => {
      expect(services[role]?.env_file).toEqual([{ path: '.env', required: false }]);
      const laptop = {
        HOST: '127.0.0.1',
        DATA_DIR: '.data',
        MONGODB_URI: 'mongodb://127.0.0.1',
        NODE_ENV: 'development',
      };
      const archive = { AUDIO_ARCHIVE: 's3', S3_BUCKET: 'interviews', WEBHOOK_ALLOW_PRIVATE: 'true' };
      const own = environmentOf(role);
      // As compose does it: what is under `environment` stands above the file.
      const config = loadConfig({ ...laptop, ...archive, ...own }, { ROLE: role });
      expect(config).toMatchObject({ ...archive, WEBHOOK_ALLOW_PRIVATE: true });
      const { HOST, DATA_DIR, MONGODB_URI, NODE_ENV } = config;
      expect({ HOST, DATA_DIR, MONGODB_URI, NODE_ENV }).toMatchObject({
        HOST: '0.0.0.0',
        DATA_DIR: '/data',
        MONGODB_URI: own['MONGODB_URI'],
        NODE_ENV: 'production',
      });
    },
  );

  it('has every process answer for its health where the image makes it listen', () => {
    for (const [role, variable] of [
      ['api', 'PORT'],
      ['worker', 'WORKER_PORT'],
    ] as const) {
      const probe = services[role]?.healthcheck?.test.join(' ');
      expect(probe).toContain(`http://127.0.0.1:${environmentOf(role)[variable]}/health/ready`);
    }
    expect(Object.values(services).every((service) => service.healthcheck !== undefined)).toBe(true);
  });

  it('runs two workers, and nothing before its databases are healthy', () => {
    expect(services['worker']?.deploy?.replicas).toBe(2);
    for (const role of ['api', 'worker']) {
      const conditions = Object.entries(services[role]?.depends_on ?? {}).map(([name, on]) => [name, on.condition]);
      expect(conditions.sort()).toEqual([
        ['mongo', 'service_healthy'],
        ['redis', 'service_healthy'],
      ]);
    }
  });

  it('publishes the API only', () => {
    expect(
      Object.entries(services)
        .filter(([, service]) => service.ports !== undefined)
        .map(([name]) => name),
    ).toEqual(['api']);
  });

  withCompose(`is accepted by docker compose${hasCompose ? '' : ' [skipped: docker compose is not installed]'}`, () => {
    const config = (environment: NodeJS.ProcessEnv) =>
      spawnSync('docker', ['compose', 'config', '--quiet'], { cwd: root, env: environment, encoding: 'utf8' });
    expect(config({ ...process.env, JWT_SECRET: secret })).toMatchObject({ status: 0, stderr: '' });
    const without = config({ ...process.env, JWT_SECRET: '' });
    expect(without.status).not.toBe(0);
    expect(without.stderr).toContain('JWT_SECRET');
  });
});

describe('the Dockerfile', () => {
  const stages = readFileSync(join(root, 'Dockerfile'), 'utf8').split(/^FROM /m);
  const last = stages.at(-1) ?? '';

  it('runs the built service on Node 24 as a user who is not root, with ffmpeg', () => {
    expect(last).toMatch(/^node:24-bookworm-slim/);
    expect(last).toMatch(/install .*ffmpeg/);
    expect(last).toMatch(/^USER node$/m);
    expect(last.indexOf('USER node')).toBeLessThan(last.indexOf('ENTRYPOINT ["node", "dist/main.js"]'));
  });

  it('sets nothing that the service does not read', () => {
    const set = [...(/^ENV (.*)$/m.exec(last)?.[1] ?? '').matchAll(/(\w+)=/g)].map((match) => match[1] ?? '');
    expect(set.length).toBeGreaterThan(0);
    expect(set.filter((name) => !(name in variables))).toEqual([]);
  });

  it('copies nothing that .dockerignore keeps out', () => {
    const allowed = readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = stages.flatMap((stage) =>
      [...stage.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap((match) => (match[1] ?? '').split(' ')),
    );
    expect(copied.filter((path) => path !== '.' && !allowed.includes(path))).toEqual([]);
  });
});
