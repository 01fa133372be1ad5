import type { ApiClient } from '../support/api-client.js';
import type { ServiceProcess } from '../support/processes.js';
import { Stand, heardIn, noise, sha256Of, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';

describe('a worker that goes away in the middle of a job', () => {
  let stand: Stand;
  let api: ServiceProcess;
  let user: ApiClient;
  let session: string;
  beforeAll(async () => {
    stand = await Stand.start();
    user = await stand.user('alice');
    api = await stand.api();
  });
  beforeEach(async () => {
    session = uniqueId('session');
    await user.createSession(session);
  });
  afterEach(() => stand.clear(api));
  afterAll(() => stand.stop());

  const shown = async (question = 'q1') => (await user.get(`/api/transcription-status/${session}/${question}`)).json;
  const completes = (question = 'q1') =>
    until(
      'the answer is completed',
      () => shown(question),
      ({ status }) => status === 'completed',
    );

  it('by SIGKILL, twice under the same answer, costs two attempts: another worker completes it, once', async () => {
    const audio = noise(session);
    stand.engine.script({ does: 'hang' }, { does: 'hang' });
    const uploaded = await user.upload(session, 'q1', audio);
    expect(uploaded.json).toMatchObject({ transcription_status: 'queued', sha256: sha256Of(audio) });

    for (const time of [1, 2]) {
      const worker = await stand.worker();
      await stand.engineAsked(time);
      await until('it is shown as under way', shown, ({ status }) => status === 'processing');
      await worker.kill();
    }
    await stand.worker();
    expect((await completes()).transcript).toBe(heardIn(sha256Of(audio)));

    expect(await stand.orphans()).toEqual([]);
    const id = uploaded.json.upload_id as string;
    const attempts = await stand.attempts(id);
    expect(attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'lost'],
      [2, 'lost'],
      [3, 'done'],
    ]);
    expect(new Set(attempts.map(({ worker }) => worker)).size).toBe(3);
    expect((await stand.attempts(id, 'analysis')).map(({ outcome }) => outcome)).toEqual(['done']);
    expect(stand.engine.requests).toHaveLength(3);
  });

  it('by SIGKILL at the last attempt leaves a failed answer that says why, and the same audio sent again completes', async () => {
    const audio = noise(session);
    stand.engine.script({ does: 'hang' });
    const last = { STAGE_ATTEMPTS: '1' };
    const worker = await stand.worker(last);
    const uploaded = await user.upload(session, 'q1', audio);
    await stand.engineAsked(1);
    await worker.kill();
    await stand.worker(last);
    const failed = await until('the answer has failed', shown, ({ status }) => status === 'failed');
    expect(failed.error).toMatch(/worker/);

    const again = await user.upload(session, 'q1', audio);
    expect(again.json).toMatchObject({ duplicate: true, upload_id: uploaded.json.upload_id });
    expect((await completes()).transcript).toBe(heardIn(sha256Of(audio)));
    expect(await stand.orphans()).toEqual([]);
  });

  it('by SIGKILL while it scores the answer that it has just heard leaves the scoring to another worker', async () => {
    const openai = { SCORER: 'openai' };
    const text = 'When the payments failed I led the team, and within two days every customer had been paid back.';
    stand.engine.script({ does: 'answer', text }, { does: 'hang' });
    const worker = await stand.worker(openai);
    const uploaded = await user.upload(session, 'q1', noise(session));
    await stand.engineAsked(2);
    expect((await shown()).status).toBe('completed');
    await worker.kill();
    await stand.worker(openai);

    const id = uploaded.json.upload_id as string;
    const attempts = await until(
      'the answer is scored',
      () => stand.attempts(id, 'analysis'),
      (all) => all.some(({ outcome }) => outcome === 'done'),
    );
    expect(attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'lost'],
      [2, 'done'],
    ]);
    expect((await stand.row(id)).stages.transcription!.worker).toBe(attempts[0]!.worker);
  });

  it('by SIGSTOP for longer than its lease writes nothing when it comes back: the other one wrote the result', async () => {
    const audio = noise(session);
    // Its answer arrives while it sleeps, and is waiting for it when it wakes.
    stand.engine.script({ does: 'answer', delay: 700, text: 'I was asleep and this must never be seen.' });
    const sleeper = await stand.worker();
    const uploaded = await user.upload(session, 'q1', audio);
    await stand.engineAsked(1);
    sleeper.signal('SIGSTOP');

    await stand.worker();
    await completes();
    const done = await stand.row(uploaded.json.upload_id);
    sleeper.signal('SIGCONT');
    await sleeper.logged('Stage is no longer ours, result dropped');

    expect(await shown()).toMatchObject({ status: 'completed', transcript: heardIn(sha256Of(audio)) });
    expect((await stand.attempts(uploaded.json.upload_id)).map(({ outcome }) => outcome)).toEqual(['lost', 'done']);
    expect((await stand.row(uploaded.json.upload_id)).stages.transcription).toEqual(done.stages.transcription);
    expect(await stand.orphans()).toEqual([]);

    const next = await user.upload(session, 'q2', noise(`${session} next`));
    expect(next.status).toBe(200);
    await completes('q2');
  });

  it('does not hold up the answers of others', async () => {
    stand.engine.script({ does: 'hang' });
    const stuck: ServiceProcess = await stand.worker({ TRANSCRIPTION_CONCURRENCY: '1' });
    await user.upload(session, 'q1', noise(session));
    await stand.engineAsked(1);
    stuck.signal('SIGSTOP');
    await stand.worker();
    const questions = ['q2', 'q3', 'q4', 'q5'];
    await Promise.all(questions.map((question) => user.upload(session, question, noise(session + question))));
    await Promise.all([...questions, 'q1'].map((question) => completes(question)));
    expect(await stand.orphans()).toEqual([]);
  });
});
