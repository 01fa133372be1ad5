import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning, type ProcessIdentity } from '../../src/embedded/process-identity.js';
import { connects } from '../../src/embedded/server-process.js';
import type { ApiClient } from '../support/api-client.js';
import { ServiceProcess } from '../support/processes.js';
import { Stand, heardIn, noise, sha256Of, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';

const CLEAN = { code: 0, signal: null };

describe('a process that is asked to stop', () => {
  let stand: Stand;
  let user: ApiClient;
  let session: string;
  beforeAll(async () => {
    stand = await Stand.start();
    user = await stand.user('alice');
  });
  beforeEach(() => {
    session = uniqueId('session');
  });
  afterEach(() => stand.clear());
  afterAll(() => stand.stop());

  const status = async (question: string) =>
    (await user.get(`/api/transcription-status/${session}/${question}`)).json as { status: string; transcript: string };
  const outcomes = async (uploadId: string) =>
    (await stand.attempts(uploadId)).map(({ number, outcome }) => [number, outcome]);

  async function begin(): Promise<string> {
    await user.createSession(session);
    const { json } = await user.upload(session, 'q1', noise(session));
    await stand.engineAsked(1);
    return json.upload_id as string;
  }

  it('finishes, as a worker, what is in hand when it is done in time, and takes nothing new', async () => {
    stand.engine.script({ does: 'answer', delay: 1500, text: heardIn(sha256Of(noise(session))) });
    const [, worker] = await Promise.all([stand.api(), stand.worker()]);
    const id = await begin();
    const ended = worker.stop();
    await worker.logged('Stopping');
    const later = await user.upload(session, 'q2', noise(`${session} later`));
    expect(await ended).toEqual(CLEAN);
    expect((await status('q1')).status).toBe('completed');
    expect(await outcomes(id)).toEqual([[1, 'done']]);
    expect((await stand.row(later.json.upload_id)).stages.transcription).toMatchObject({ state: 'due', attempts: 0 });
    await stand.worker();
    expect(await stand.orphans()).toEqual([]);
  });

  it('gives back, as a worker, what is not done in time: the attempt is not counted, another does it', async () => {
    stand.engine.script({ does: 'hang' });
    const quick = { SHUTDOWN_TIMEOUT_S: '4' };
    const [, worker] = await Promise.all([stand.api(), stand.worker(quick)]);
    const id = await begin();
    const began = performance.now();
    expect(await worker.stop()).toEqual(CLEAN);
    expect(performance.now() - began).toBeLessThan(5000);
    expect((await stand.row(id)).stages.transcription).toMatchObject({ state: 'due', attempts: 0, token: null });
    await stand.worker();
    expect(await stand.orphans()).toEqual([]);
    expect((await status('q1')).transcript).toBe(heardIn(sha256Of(noise(session))));
    expect(await outcomes(id)).toEqual([
      [1, 'returned'],
      [1, 'done'],
    ]);
  });

  it('finishes, as an API, the upload that is under way, and takes no new connection', async () => {
    const api = await stand.api();
    await user.createSession(session);
    const audio = noise(session, 3_000_000);
    const upload = user.open(session, 'q1');
    await upload.send(audio.subarray(0, 1_500_000));
    await until('the upload has begun', () => stand.database.collection('uploads').findOne({ session_id: session }));
    const ended = api.stop();
    await api.logged('Stopping');
    await until('new connections are refused', () =>
      connects(api.port).then(
        () => false,
        () => true,
      ),
    );
    await upload.send(audio.subarray(1_500_000));
    upload.finish();
    const answer = await upload.answer;
    expect([answer.status, answer.json.sha256]).toEqual([200, sha256Of(audio)]);
    expect(await ended).toEqual(CLEAN);
  });

  it('says, as an API, that it is not ready, and goes on taking requests until balancers have seen it', async () => {
    const api = await stand.api({ SHUTDOWN_DRAIN_S: '5' });
    await user.createSession(session);
    const began = performance.now();
    const ended = api.stop();
    await api.logged('Stopping');
    const ready = await fetch(`http://127.0.0.1:${api.port}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      status: 'unavailable',
      checks: { shutdown: { state: 'down', reason: 'the process is stopping' } },
    });
    expect((await fetch(`http://127.0.0.1:${api.port}/health/live`)).status).toBe(200);
    expect((await user.upload(session, 'q1', noise(session))).status).toBe(200);
    expect(await ended).toEqual(CLEAN);
    expect(performance.now() - began).toBeGreaterThan(5000);
  });

  it('stops in time while Redis or MongoDB is away', async () => {
    const quick = { SHUTDOWN_TIMEOUT_S: '5' };
    const services = await Promise.all([stand.api(quick), stand.worker(quick), stand.api(quick), stand.worker(quick)]);
    const [first, second] = [services.slice(0, 2), services.slice(2)];
    await stand.redis.kill();
    for (const service of first) expect(await service.stop()).toEqual(CLEAN);
    await stand.redis.start();
    await stand.mongo.kill();
    for (const service of second) expect(await service.stop()).toEqual(CLEAN);
    await stand.mongo.start();
    await stand.reconnect();
  });

  it('stops its embedded servers too, in the role all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vivavoce-all-'));
    try {
      const { JWT_SECRET = '' } = stand.environment;
      const all = await ServiceProcess.start('all', {
        JWT_SECRET,
        DATA_DIR: folder,
        TRANSCRIBER: 'openai',
        OPENAI_API_KEY: 'k',
      });
      const leases = ['mongodb.lease', 'redis.lease'].map((name) => readFile(join(folder, name), 'utf8'));
      const servers = (await Promise.all(leases)).map(
        (text) => (JSON.parse(text) as { server: ProcessIdentity }).server,
      );
      expect(await Promise.all(servers.map(isRunning))).toEqual([true, true]);
      expect(await all.stop()).toEqual(CLEAN);
      expect(await Promise.all(servers.map(isRunning))).toEqual([false, false]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('one after the other, each replaced by a new one, under load: nobody sees an error, nothing is lost', async () => {
    const names = ['alice', 'bob', 'carol'];
    const users = await Promise.all(names.map((name) => stand.user(name)));
    const running = await Promise.all([stand.api(), stand.api(), stand.worker(), stand.worker()]);
    let restarting = true;
    let count = 0;
    const answered: { user: ApiClient; interview: string; question: string; status: number; sha256: string }[] = [];
    const load = users.map(async (each) => {
      let interview = session;
      for (let i = 0; restarting; i++) {
        if (i % 100 === 0) await each.createSession((interview = `${session}-${i}`));
        const audio = noise(`${session} ${each.userId} ${i}`, 100_000);
        const { status } = await each.upload(interview, `q${i}`, audio);
        answered.push({ user: each, interview, question: `q${i}`, status, sha256: sha256Of(audio) });
        const shown = await each.get(`/api/transcription-status/${interview}`);
        expect(shown.status).toBe(200);
        count += 1;
      }
    });
    const loaded = Promise.all(load);
    loaded.catch(() => undefined);
    for (const old of running) {
      const before = count;
      const [ended] = await Promise.all([old.stop(), old.role === 'api' ? stand.api() : stand.worker()]);
      expect(ended).toEqual(CLEAN);
      await until(
        'the load goes on',
        () => count,
        (now) => now > before + 3,
      );
    }
    restarting = false;
    await loaded;
    expect(new Set(answered.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await stand.orphans()).toEqual([]);
    for (const { user: each, interview, question, sha256 } of answered) {
      const { json } = await each.get(`/api/transcription-status/${interview}/${question}`);
      expect(json).toMatchObject({ status: 'completed', transcript: heardIn(sha256) });
    }
  });
});
