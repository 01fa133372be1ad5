import { Redis } from 'ioredis';
import type { ApiClient } from '../support/api-client.js';
import type { ServiceProcess } from '../support/processes.js';
import { Stand, heardIn, noise, sha256Of, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';

/** Redis being away is no reason to be slow; generous, for machines that are busy with other tests. */
const PROMPT_MS = 3000;

describe('a Redis that goes away', () => {
  let stand: Stand;
  let user: ApiClient;
  let session: string;
  // One process for all of it: what it went through before must not matter.
  let api: ServiceProcess;
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

  const upload = async (question: string) => {
    const audio = noise(session + question);
    return { question, sha256: sha256Of(audio), answer: await user.upload(session, question, audio) };
  };
  const uploadMany = (prefix: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => upload(`${prefix}${i}`)));

  async function allComplete(uploads: Awaited<ReturnType<typeof upload>>[]): Promise<void> {
    expect(uploads.map(({ answer }) => answer.status)).toEqual(uploads.map(() => 200));
    expect(await stand.orphans()).toEqual([]);
    const { json } = await user.get(`/api/transcription-status/${session}`);
    for (const { question, sha256, answer } of uploads) {
      expect(json.questions[question]).toMatchObject({ status: 'completed', transcript: heardIn(sha256) });
      const attempts = await stand.attempts(answer.json.upload_id);
      expect(attempts.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);
    }
  }

  const readiness = async (port = stand.balancer.port) =>
    (await fetch(`http://127.0.0.1:${port}/health/ready`)).json() as Promise<{ status: string }>;

  async function withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(stand.redis.uri);
    try {
      return await use(redis);
    } finally {
      redis.disconnect();
    }
  }

  it('by FLUSHALL while answers wait for a worker: they all complete', async () => {
    const uploads = await uploadMany('q', 12);
    await withRedis((redis) => redis.flushall());
    await stand.worker();
    await allComplete(uploads);
  });

  it('by losing single jobs of a long queue, and one that is in no list: the sweep finds just these, and each runs once', async () => {
    const uploads = await uploadMany('q', 60);
    const jobs = (index: number) => `${uploads[index]!.answer.json.upload_id}-transcription-1`;
    await withRedis(async (redis) => {
      // An upload is answered without waiting for its job.
      const wait = await until('all jobs to wait', async () => {
        const [list] = await redis.keys('*:bull:transcription:wait');
        return list && (await redis.llen(list)) === uploads.length ? list : undefined;
      });
      const queue = wait!.slice(0, -':wait'.length);
      for (const index of [0, 31, 59])
        await redis
          .multi()
          .lrem(wait!, 1, jobs(index))
          .del(`${queue}:${jobs(index)}`)
          .exec();
      await redis.lrem(wait!, 1, jobs(17));
    });
    await stand.worker();
    await allComplete(uploads);
    const rows = await Promise.all(uploads.map(({ answer }) => stand.row(answer.json.upload_id)));
    const again = rows.flatMap((row, index) => (row?.stages.transcription?.dispatch === 1 ? [] : [index]));
    expect(again).toEqual([0, 17, 31, 59]);
  });

  it('by FLUSHALL while answers are worked on: they all complete, and the periodic sweep is scheduled again', async () => {
    const hears = ({ file }: { file: { sha256: string } | null }) => heardIn(file?.sha256 ?? '');
    stand.engine.otherwise({ does: 'answer', delay: 200, text: hears });
    await stand.worker({ TRANSCRIPTION_CONCURRENCY: '2' });
    const uploads = await uploadMany('q', 12);
    await stand.engineAsked(3);
    await withRedis(async (redis) => {
      await redis.flushall();
      await until(
        'the sweep is scheduled again',
        () => redis.keys('*:sweep:repeat*'),
        (keys) => keys.length > 0,
      );
    });
    await allComplete(uploads);
  });

  it('by SIGKILL: uploads are taken at once and queued, readiness says degraded, and they run when it is back', async () => {
    await stand.worker();
    const before = await uploadMany('before', 4);
    await stand.redis.kill();
    await until('readiness says degraded', readiness, ({ status }) => status === 'degraded');
    const during = await uploadMany('during', 6);
    for (const { answer } of during) {
      expect(answer.json.transcription_status).toBe('queued');
      expect(answer.tookMs).toBeLessThan(PROMPT_MS);
    }
    await stand.redis.start();
    await until('readiness says ready', readiness, ({ status }) => status === 'ready');
    await allComplete([...before, ...during]);
  });

  it('by SIGKILL with jobs in it: what the append-only file still has and what it lost are done, each once', async () => {
    const uploads = await uploadMany('q', 8);
    await stand.redis.kill();
    await stand.redis.start();
    await stand.worker();
    await allComplete(uploads);
  });

  it('before processes start: they start, take uploads, and work once it is there', async () => {
    await stand.redis.kill();
    const [late] = await Promise.all([stand.api(), stand.worker()]);
    expect((await readiness(late.port)).status).toBe('degraded');
    await api.kill();
    const uploads = await uploadMany('q', 3);
    api = late;
    await stand.redis.start();
    await allComplete(uploads);
  });

  it('by hanging: uploads are taken without waiting for it', async () => {
    await stand.worker();
    stand.redis.pause();
    try {
      const uploads = await uploadMany('q', 3);
      for (const { answer } of uploads) expect(answer.tookMs).toBeLessThan(PROMPT_MS);
      expect((await readiness()).status).toBe('degraded');
      stand.redis.resume();
      await allComplete(uploads);
    } finally {
      stand.redis.resume();
    }
  });

  it('by hanging: the sweep runs all the same', async () => {
    const worker = await stand.worker();
    const { json } = await user.upload(session, 'q1', noise(session));
    await until(
      'it is done',
      () => stand.row(json.upload_id),
      (row) => row.stages.analysis?.state === 'done',
    );
    stand.redis.pause();
    try {
      const rows = stand.database.collection('uploads');
      const { _id, stages: _, ...rest } = await stand.row(json.upload_id);
      const long = new Date(Date.now() - 60_000);
      const { insertedId } = await rows.insertOne({ ...rest, file_id: null, state: 'uploading', lease_until: long });
      await until(
        'it is swept',
        () => stand.row(insertedId.toHexString()),
        ({ state }) => state === 'failed',
      );
      await until(
        'sweeps go on',
        () => stand.database.collection<{ _id: string; swept_at: Date }>('locks').findOne({ _id: 'sweep' }),
        (lock) => lock!.swept_at.getTime() > Date.now() - 500,
      );
      expect(worker.isRunning).toBe(true);
    } finally {
      stand.redis.resume();
    }
  });
});
