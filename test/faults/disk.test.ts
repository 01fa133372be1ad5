import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOpenAiServer } from '../support/openai-server.js';
import { type PrivateServer, engineKeepsData, startMongo } from '../support/servers.js';
import { type Caller, type Json, type TestService, eventually, fresh, startTestService } from '../support/service.js';

const SMALL = '72m';
const LARGE = '1g';

/** A disk that fills up soon, null where none may be mounted. */
function smallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'vivavoce-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL}`, 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    return null;
  }
}

const disk = smallDisk();
const onSmallDisk = disk !== null && engineKeepsData() ? describe : describe.skip;

onSmallDisk('the disk of MongoDB fills up (needs a small disk: Linux and root)', () => {
  let mongo: PrivateServer;
  let engine: Awaited<ReturnType<typeof startOpenAiServer>>;
  let api: TestService;
  let alice: Caller;

  beforeAll(async () => {
    mongo = await startMongo({ dataDir: join(disk!, 'data') });
    engine = await startOpenAiServer();
    engine.otherwise({ does: 'answer', text: 'There was room for this.' });
    api = await startTestService('api', {
      MONGODB_URI: mongo.uri,
      UPLOAD_LEASE_S: '3',
      TRANSCRIBER: 'openai',
      SCORER: 'rubric',
      OPENAI_API_KEY: 'a-key',
      OPENAI_BASE_URL: engine.url,
    });
    alice = await api.user('alice');
  });
  afterAll(async () => {
    await api.stop();
    await engine.close();
    await mongo.stop();
    execFileSync('umount', ['-l', disk!]);
    await rm(disk!, { recursive: true, force: true });
  });

  it('uploads are refused with a clear answer, and what was taken is whole when there is room again', async () => {
    const session = await alice.session([], { id: 'full' });
    const taken = new Map<string, Json>();
    let refusal: Json = null;
    for (let i = 0; refusal === null && i < 60; i++) {
      const { status, headers, body } = await alice.upload(
        session,
        `q${i}`,
        Buffer.concat([fresh('reading.webm'), randomBytes(3 * 2 ** 20)]),
      );
      if (status === 200) taken.set(`q${i}`, body);
      else refusal = { status, retryAfter: Number(headers.get('retry-after')), detail: body.detail };
    }
    expect(taken.size).toBeGreaterThan(2);
    expect([503, 507]).toContain(refusal.status);
    expect(refusal.retryAfter).toBeGreaterThan(0);
    expect(refusal.detail).toMatch(/try again/);
    expect((await alice.upload(session, 'next', fresh('reading.webm'))).status).toBeGreaterThanOrEqual(503);

    execFileSync('mount', ['-o', `remount,size=${LARGE}`, disk!]);
    await mongo.restart();
    await eventually(async () => {
      expect((await alice.upload(session, 'after', fresh('reading.webm'))).status).toBe(200);
    });
    for (const { upload_id, size } of taken.values()) {
      const { headers, status } = await alice.send('HEAD', `/api/uploads/${upload_id}/audio`);
      expect([status, Number(headers.get('content-length'))]).toEqual([200, size]);
    }

    const worker = await startTestService('worker', api.environment);
    try {
      for (const question of [...taken.keys(), 'after'])
        expect(await alice.answer(session, question)).toMatchObject({ transcription_status: 'completed' });
      await eventually(async () => expect(await api.strays()).toEqual([]));
    } finally {
      await worker.stop();
    }
  });
});
