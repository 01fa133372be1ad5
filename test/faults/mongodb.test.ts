import type { Answered, ApiClient } from '../support/api-client.js';
import type { ServiceProcess } from '../support/processes.js';
import { describeDurable } from '../support/servers.js';
import { Stand, heardIn, noise, sha256Of, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';

/** "At once" for someone who waits: MongoDB is looked for during 3 s; the rest is for machines that are busy with other tests. */
const AT_ONCE_MS = 8000;
/** One that hangs is noticed by its heartbeat, 2 and 3 s, and looked for again. */
const HANGING_MS = 15_000;

/** How a command to insert begins, in BSON: a string named `insert`, its length, and the name of the collection. */
function insertInto(collection: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32LE(collection.length + 1);
  return Buffer.concat([Buffer.from('\u0002insert\0'), length, Buffer.from(`${collection}\0`)]);
}

describeDurable('a MongoDB that goes away', () => {
  let stand: Stand;
  let user: ApiClient;
  let session: string;
  // The same two processes for all of it: each fault is survived by them, not by others that are started afterwards.
  let kept: ServiceProcess[];
  beforeAll(async () => {
    stand = await Stand.start();
    user = await stand.user('alice');
    kept = await Promise.all([stand.api(), stand.worker()]);
  });
  beforeEach(async () => {
    session = uniqueId('session');
    await user.createSession(session);
  });
  afterEach(() => stand.clear(...kept));
  afterAll(() => stand.stop());

  const audioOf = (question: string, bytes?: number) => noise(session + question, bytes);
  const upload = (question: string) => user.upload(session, question, audioOf(question));

  function expectAway({ status, headers, json, tookMs }: Answered, withinMs = AT_ONCE_MS): void {
    expect({ status, detail: typeof json.detail }).toEqual({ status: 503, detail: 'string' });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(tookMs).toBeLessThan(withinMs);
  }

  async function everyRouteSaysAway(withinMs?: number): Promise<void> {
    const answers = await Promise.all([
      upload('refused'),
      user.get(`/api/transcription-status/${session}/q0`),
      user.get(`/api/sessions/${session}`),
      user.get('/api/uploads'),
      user.post('/api/sessions', { questions: [] }),
      user.post(`/api/analyze/${session}`, {}),
      user.post(`/api/text-answer/${session}/text`, { text: 'I wrote this.' }),
    ]);
    for (const answer of answers) expectAway(answer, withinMs);
  }

  async function comesBack(questions: string[]): Promise<void> {
    await stand.reconnect();
    await until(
      'uploads are taken again',
      () => upload('after'),
      ({ status }) => status === 200,
    );
    expect(await stand.orphans()).toEqual([]);
    const { json } = await user.get(`/api/transcription-status/${session}`);
    for (const question of [...questions, 'after']) {
      const transcript = heardIn(sha256Of(audioOf(question)));
      expect(json.questions[question]).toMatchObject({ status: 'completed', transcript });
    }
  }

  it('by SIGKILL: every route says 503 with Retry-After; what was acknowledged is there and completes, by itself', async () => {
    stand.engine.script({ does: 'answer', delay: 1500, text: heardIn(sha256Of(audioOf('q0'))) });
    expect((await upload('q0')).status).toBe(200);
    await stand.engineAsked(1);
    const questions = ['q1', 'q2', 'q3', 'q4'];
    const uploads = Promise.all(questions.map((question) => upload(question)));
    expect((await uploads).map(({ status }) => status)).toEqual(questions.map(() => 200));
    await stand.mongo.kill();

    await everyRouteSaysAway();
    const ready = await fetch(`http://127.0.0.1:${stand.balancer.port}/health/ready`);
    expect([ready.status, ((await ready.json()) as { status: string }).status]).toEqual([503, 'unavailable']);
    expect((await fetch(`http://127.0.0.1:${stand.balancer.port}/health/live`)).status).toBe(200);

    await stand.mongo.start();
    await comesBack(['q0', ...questions]);
  });

  it('in the middle of an upload: the upload gets its 503, and no byte of it stays', async () => {
    const audio = audioOf('half', 8_000_000);
    const half = user.open(session, 'half');
    await half.send(audio.subarray(0, 4_500_000));
    const chunks = stand.database.collection('fs.chunks');
    await until(
      'bytes are stored',
      () => chunks.countDocuments(),
      (count) => count >= 2,
    );
    await stand.mongo.kill();
    half.send(audio.subarray(4_500_000)).catch(() => undefined);
    half.finish();
    expectAway(await half.answer);
    await stand.mongo.start();
    await comesBack([]);
  });

  it('by SIGKILL after it wrote and before it could tell: that it is asked for the same again is no conflict', async () => {
    const asked: [collection: string, ask: () => Promise<Answered>][] = [
      ['idempotency_keys', () => user.upload(session, 'q0', audioOf('q0'), { 'idempotency-key': session })],
      ['uploads', () => upload('q1')],
      ['fs.chunks', () => upload('q2')],
      ['uploads', () => user.post(`/api/text-answer/${session}/q3`, { text: 'I wrote this.' })],
      ['interview_sessions', () => user.post('/api/sessions', { id: uniqueId('session'), questions: [] })],
    ];
    for (const [collection, ask] of asked) {
      const ids = await stand.database.collection(collection).distinct('_id');
      stand.mongoNetwork.losesAnswersTo = insertInto(collection);
      const answer = ask();
      await until('it is written', () => stand.database.collection(collection).findOne({ _id: { $nin: ids } }));
      await stand.mongo.kill();
      stand.mongoNetwork.losesAnswersTo = null;
      await stand.mongo.start();
      await stand.reconnect();
      const { status, json } = await answer;
      // On a busy machine it starts later than it is looked for.
      if (status !== 503) expect({ status: [200, 201].includes(status), json }).toEqual({ status: true, json });
    }
  });

  it('by hanging: requests get 503 and do not hang with it', async () => {
    expect((await upload('q0')).status).toBe(200);
    stand.mongo.pause();
    try {
      await everyRouteSaysAway(HANGING_MS);
    } finally {
      stand.mongo.resume();
    }
    await comesBack(['q0']);
  });

  it('by taking nothing in any more: uploads on their way get their 503, and leave their places to others', async () => {
    const questions = Array.from({ length: 8 }, (_, i) => `large${i}`);
    const large = (question: string) => audioOf(question, 6_000_000);
    const open = questions.map((question) => ({ question, half: user.open(session, question) }));
    await Promise.all(open.map(({ question, half }) => half.send(large(question).subarray(0, 2_500_000))));
    const chunks = stand.database.collection('fs.chunks');
    await until(
      'bytes of each are stored',
      () => chunks.countDocuments(),
      (count) => count >= questions.length,
    );
    stand.mongoNetwork.stall();
    const stalledAt = performance.now();
    for (const { question, half } of open) {
      half.send(large(question).subarray(2_500_000)).catch(() => undefined);
      half.finish();
    }
    const answers = await Promise.all(
      open.map(async ({ half }) => ({ ...(await half.answer), tookMs: performance.now() - stalledAt })),
    );
    for (const answer of answers) expectAway(answer, HANGING_MS);

    stand.mongoNetwork.cut();
    await comesBack([]);
    const again = await Promise.all(questions.map((question) => user.upload(session, question, large(question))));
    expect(again.map(({ status }) => status)).toEqual(questions.map(() => 200));
  });

  it('by its connections, again and again while uploads come in: what was acknowledged completes, once', async () => {
    const questions = Array.from({ length: 30 }, (_, i) => `q${i}`);
    const taken: string[] = [];
    let tried = 0;
    const uploads = Promise.all(
      questions.map(async (question) => {
        for (;;) {
          const { status, json } = await upload(question);
          tried += 1;
          if (status === 200) return taken.push(question);
          expect([status, json]).toEqual([503, { detail: expect.any(String) }]);
        }
      }),
    );
    for (const count of [2, 8, 14, 20]) {
      await until(
        'some uploads have been tried',
        () => tried,
        (n) => n >= count,
      );
      stand.mongoNetwork.cut();
    }
    await uploads;
    expect(taken).toHaveLength(questions.length);
    await comesBack(questions);
    const attempts = stand.database.collection('attempts');
    const doneTwice = attempts.aggregate([
      { $match: { stage: 'transcription', outcome: 'done' } },
      { $group: { _id: '$upload_id', count: { $sum: 1 } } },
      { $match: { count: { $gt: 1 } } },
    ]);
    expect(await doneTwice.toArray()).toEqual([]);
  });
});
