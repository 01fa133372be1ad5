import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withServices } from '../../src/cli.services.js';
import { type Config, loadConfig } from '../../src/config/config.js';
import { recoverCommand, verifyCommand } from '../../src/recovery/recovery.commands.js';
import { type Service, startService } from '../../src/service.js';
import { Caller, speech } from '../support/service.js';
import { describeDurable, testEnvironment } from '../support/servers.js';
import { tokenCommand } from '../../src/auth/token.command.js';

let folder: string;
let config: Config;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivavoce-cli-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const configured = (more: Record<string, string> = {}): Config =>
  loadConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATA_DIR: folder,
    LOG_LEVEL: 'silent',
    TRANSCRIBER: 'openai',
    OPENAI_API_KEY: 'sk-nobody-asks',
    OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
    ...more,
  });
const verify = async () => JSON.parse(await verifyCommand([], (use) => withServices(config, use)));
const recover = async () => JSON.parse(await recoverCommand([], (use) => withServices(config, use)));

async function upload(service: Service): Promise<void> {
  const alice = new Caller(service.url, `Bearer ${await tokenCommand(['--user', 'alice'], config)}`);
  await alice.session([], { id: 's1' });
  expect((await alice.upload('s1', 'q1', speech('reading.webm'))).status).toBe(200);
}

describe('a command on given databases', () => {
  it('works on them, and leaves no connection behind', async () => {
    config = configured(testEnvironment());
    const service = await startService('api', config);
    await upload(service);
    expect((await verify()).checked).toMatchObject({ files: 1, records: 1 });
    await service.stop();
    expect((await recover()).checked).toMatchObject({ files: 1, records: 1 });
  });
});

describe('a command without databases', () => {
  it('says in a sentence that MongoDB cannot be reached', async () => {
    config = configured({ MONGODB_URI: 'mongodb://127.0.0.1:1', REDIS_URL: 'redis://127.0.0.1:1' });
    await expect(verify()).rejects.toMatchObject({
      code: 'database_away',
      message: expect.stringMatching(/^MongoDB cannot be reached: .*127\.0\.0\.1:1/),
    });
  });
});

describeDurable('a command on the embedded databases', () => {
  it('uses those of the service that runs on the same data folder, else starts them for itself', async () => {
    config = configured();
    const service = await startService('all', config);
    try {
      await upload(service);
      expect((await verify()).checked).toMatchObject({ files: 1, records: 1 });
      expect((await fetch(`${service.url}/health/live`)).status).toBe(200);
    } finally {
      await service.stop();
    }
    expect((await verify()).checked).toMatchObject({ files: 1, records: 1 });
    // The folder is free again.
    await (await startService('all', config)).stop();
  });
});
