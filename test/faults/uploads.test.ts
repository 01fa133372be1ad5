import type { ApiClient } from '../support/api-client.js';
import { Seeded } from '../support/seeded.js';
import { Stand, heardIn, noise, sha256Of, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';

const USERS = ['alice', 'bob', 'carol', 'dave'];

interface Sent {
  user: ApiClient;
  session: string;
  question: string;
  sha256: string;
  uploadId: string;
}

describe('an API process that is killed', () => {
  let stand: Stand;
  let users: ApiClient[];
  beforeAll(async () => {
    stand = await Stand.start();
    users = await Promise.all(USERS.map((name) => stand.user(name)));
  });
  afterEach(() => stand.clear());
  afterAll(() => stand.stop());

  async function completed({ user, session, question, sha256, uploadId }: Sent): Promise<void> {
    const { json } = await user.get(`/api/transcription-status/${session}/${question}`);
    expect(json).toEqual({ status: 'completed', question_id: question, transcript: heardIn(sha256) });
    const done = (await stand.attempts(uploadId)).filter(({ outcome }) => outcome === 'done');
    expect(done).toHaveLength(1);
  }

  it('at random moments under 40 uploads at once: what it acknowledged completes, and nothing else stays behind', async () => {
    const random = new Seeded(20_240_611);
    const acknowledged: Sent[] = [];
    let broken = 0;
    const session = uniqueId('session');
    for (const round of [1, 2, 3]) {
      const api = await stand.api();
      await Promise.all(users.map((user) => user.createSession(session)));
      const began = performance.now();
      const rows = stand.database.collection('uploads');
      const before = await rows.countDocuments();
      const uploads = Array.from({ length: 40 }, async (_, i) => {
        const user = users[i % users.length]!;
        const question = `r${round}-${i}`;
        const audio = noise(`${session}/${question}`, random.below(4) === 0 ? 2_500_000 : 4000 + random.below(60_000));
        const { status, json } = await user.upload(session, question, audio);
        expect(status).toBe(200);
        acknowledged.push({ user, session, question, sha256: sha256Of(audio), uploadId: json.upload_id });
      });
      const settled = Promise.allSettled(uploads);
      // The moment is counted in rows begun, since milliseconds mean little on a busy machine.
      const moment = before + 5 + random.below(35);
      await until(
        'the uploads are under way',
        () => rows.countDocuments(),
        (count) => count >= moment,
      );
      await api.kill();
      broken += (await settled).filter(({ status }) => status === 'rejected').length;
      expect(performance.now() - began).toBeLessThan(30_000);
    }
    await Promise.all([stand.api(), stand.worker()]);

    expect(await stand.orphans()).toEqual([]);
    for (const sent of acknowledged) await completed(sent);
    expect(broken).toBeGreaterThan(0);
    expect(broken + acknowledged.length).toBe(120);
  });

  it('between the commit and the link: the sweep makes the link, and the answer completes', async () => {
    const api = await stand.api();
    const [user] = users as [ApiClient];
    const session = uniqueId('session');
    await user.createSession(session);
    const audio = noise(session);
    stand.mongoNetwork.delayMs = 150;
    const uploaded = user.upload(session, 'q1', audio).then(
      () => 'acknowledged',
      () => 'broken',
    );
    const rows = stand.database.collection('uploads');
    const row = await until('the row is committed', () => rows.findOne({ session_id: session, state: 'committed' }));
    await api.kill();
    stand.mongoNetwork.delayMs = 0;
    expect(await uploaded).toBe('broken');
    const found = await stand.database.collection('interview_sessions').findOne({ session_id: session });
    expect(found?.['answers']).toEqual({});

    await Promise.all([stand.api(), stand.worker()]);
    expect(await stand.orphans()).toEqual([]);
    const uploadId = row!._id.toHexString();
    await completed({ user, session, question: 'q1', sha256: sha256Of(audio), uploadId });
    // Whoever sends it again, for want of an answer, is told that it is there.
    const again = await user.upload(session, 'q1', audio);
    expect(again.json).toMatchObject({ duplicate: true, upload_id: uploadId, transcription_status: 'completed' });
    expect(await stand.orphans()).toEqual([]);
  });

  it('between a new take and the end of the older one: the sweep ends the older one', async () => {
    const api = await stand.api();
    const [user] = users as [ApiClient];
    const session = uniqueId('session');
    await user.createSession(session);
    const first = await user.upload(session, 'q1', noise(`${session} first`));
    const audio = noise(`${session} second`);
    stand.mongoNetwork.delayMs = 150;
    user.upload(session, 'q1', audio).catch(() => undefined);
    const sessions = stand.database.collection('interview_sessions');
    const current = async () => (await sessions.findOne({ session_id: session }))?.['answers'].q1.upload_id as string;
    const uploadId = await until('the new take is current', current, (id) => id !== first.json.upload_id);
    await api.kill();
    stand.mongoNetwork.delayMs = 0;
    expect((await stand.row(first.json.upload_id)).state).toBe('committed');

    await Promise.all([stand.api(), stand.worker()]);
    expect(await stand.orphans()).toEqual([]);
    await completed({ user, session, question: 'q1', sha256: sha256Of(audio), uploadId });
    const ended = await stand.row(first.json.upload_id);
    expect(ended).toMatchObject({ state: 'superseded', superseded_by: uploadId });
  });

  it('or held up between commit and link, while a newer take comes in, does not put the older one over it', async () => {
    const slow = await stand.api();
    const [user] = users as [ApiClient];
    const session = uniqueId('session');
    await user.createSession(session);
    stand.mongoNetwork.delayMs = 150;
    const older = user.upload(session, 'q1', noise(`${session} older`));
    const rows = stand.database.collection('uploads');
    const row = await until('the row is committed', () => rows.findOne({ session_id: session, state: 'committed' }));
    slow.signal('SIGSTOP');
    stand.mongoNetwork.delayMs = 0;
    const [other] = await Promise.all([stand.api(), stand.worker()]);
    const audio = noise(`${session} newer`);
    const direct = await stand.user('alice', other.port);
    const newer = await direct.upload(session, 'q1', audio);
    const olderId = row!._id.toHexString();
    await until(
      'the older take has ended',
      () => stand.row(olderId),
      ({ state }) => state === 'superseded',
    );
    slow.signal('SIGCONT');
    expect((await older).json).toMatchObject({ upload_id: olderId });

    expect(await stand.orphans()).toEqual([]);
    const uploadId = newer.json.upload_id as string;
    await completed({ user: direct, session, question: 'q1', sha256: sha256Of(audio), uploadId });
  });

  it('or stopped for longer than its lease in the middle of an upload leaves no bytes behind, and says so', async () => {
    const api = await stand.api();
    await stand.worker();
    const [user] = users as [ApiClient];
    const session = uniqueId('session');
    await user.createSession(session);
    const audio = noise(session, 3_000_000);
    const upload = user.open(session, 'q1');
    await upload.send(audio.subarray(0, 2_600_000));
    await until('bytes are stored', () => stand.database.collection('fs.chunks').countDocuments());
    api.signal('SIGSTOP');
    const rows = stand.database.collection('uploads');
    await until('the sweep gave it up', () => rows.findOne({ session_id: session, state: 'failed' }));
    api.signal('SIGCONT');
    upload.send(audio.subarray(2_600_000)).catch(() => undefined);
    upload.finish();
    const { status, headers } = await upload.answer;
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(await stand.orphans()).toEqual([]);

    const again = await user.upload(session, 'q1', audio);
    expect(again.json).toMatchObject({ duplicate: false, sha256: sha256Of(audio) });
  });

  it('and a client that is cut off at any byte leave nothing but a row that says why', async () => {
    await stand.api();
    await stand.worker();
    const [user] = users as [ApiClient];
    const session = uniqueId('session');
    await user.createSession(session);
    const audio = noise(session, 2_500_000);
    await Promise.all(
      [1, 100, 5000, 1_100_000, 2_400_000].map(async (bytes) => {
        const upload = user.open(session, `q${bytes}`);
        await upload.send(audio.subarray(0, bytes));
        upload.cut();
        await expect(upload.answer).rejects.toThrow();
      }),
    );
    const whole = user.open(session, 'whole');
    await whole.send(audio);
    await until('its row is there', () => stand.database.collection('uploads').findOne({ question_id: 'whole' }));
    stand.balancer.cut();
    await expect(whole.answer).rejects.toThrow();

    const rows = () => stand.database.collection('uploads').find({ session_id: session }).toArray();
    await until('each is given up', rows, (found) => found.every(({ state }) => state === 'failed'));
    expect(await stand.orphans()).toEqual([]);
    for (const { error } of await rows()) expect(error.code).toBe('upload_interrupted');
  });
});
