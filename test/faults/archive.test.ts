import { randomBytes } from 'node:crypto';
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { S3Proxy } from '../support/s3-proxy.js';
import { S3Server, describeWithS3 } from '../support/s3-server.js';
import { Stand, noise, uniqueId } from '../support/stand.js';
import { until } from '../support/until.js';

describeWithS3('a worker that is killed while it archives', () => {
  let s3: S3Server;
  let proxy: S3Proxy;
  let stand: Stand;

  beforeAll(async () => {
    s3 = await S3Server.start();
    proxy = await S3Proxy.start(s3.port);
    stand = await Stand.start({ ...s3.settings(proxy.url), ARCHIVE_RETRY_S: '0.5' });
    await stand.api();
  });
  afterAll(async () => {
    await stand.stop();
    await proxy.close();
    await s3.stop();
  });

  async function inBucket(): Promise<{ objects: string[]; cutShort: number }> {
    const client = s3.client();
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'audio' }));
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'audio' }));
    client.destroy();
    return { objects: Contents.map(({ Key = '' }) => Key), cutShort: Uploads.length };
  }

  it('between the parts of an upload leaves one object, no part of another, and the audio whole', async () => {
    const user = await stand.user('alice');
    const session = uniqueId('kept');
    await user.createSession(session, { retain_audio: true });
    const audio = Buffer.concat([noise(session), randomBytes(12 * 2 ** 20)]);
    const { json } = await user.upload(session, 'q1', audio);
    const id = json.upload_id as string;

    proxy.holdsParts = true;
    for (const time of [1, 2]) {
      const before = proxy.held;
      const worker = await stand.worker();
      await until(`parts of attempt ${time} are on their way`, () => proxy.held > before);
      expect((await stand.row(id)).audio_state).toBe('stored');
      await worker.kill();
    }
    expect(await inBucket()).toEqual({ objects: [], cutShort: expect.any(Number) });
    expect((await inBucket()).cutShort).toBeGreaterThan(0);

    proxy.holdsParts = false;
    await stand.worker();
    await until('it is archived, and its copy deleted', async () => (await stand.row(id)).audio_state === 'deleted');
    expect(await inBucket()).toEqual({ objects: [expect.stringContaining(`/${id}.`)], cutShort: 0 });
    const outcomes = (await stand.attempts(id, 'archive')).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['lost', 'lost', 'done']);

    const response = await fetch(`http://127.0.0.1:${stand.balancer.port}/api/uploads/${id}/audio`, {
      headers: { authorization: `Bearer ${user.token}` },
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(audio)).toBe(true);
  });

  it('or held up until another one has archived it takes nothing away when it comes back', async () => {
    const user = await stand.user('bob');
    const session = uniqueId('kept');
    await user.createSession(session, { retain_audio: true });
    // Two parts, both on their way: the sender only waits for the answer to its last byte.
    const audio = Buffer.concat([noise(session), randomBytes(8 * 2 ** 20)]);
    await stand.clear(...stand.services.filter(({ role }) => role === 'api'));
    proxy.holdsParts = true;
    const before = proxy.held;
    const slow = await stand.worker();
    const { json } = await user.upload(session, 'q1', audio);
    const id = json.upload_id as string;
    await until('all its parts are on their way', () => proxy.held >= before + 2);
    slow.signal('SIGSTOP');
    proxy.holdsParts = false;

    const quick = await stand.worker();
    await until('another one has archived it', async () => (await stand.row(id)).audio_state === 'deleted');
    await quick.stop();
    const given = proxy.givenUp;
    proxy.release();
    slow.signal('SIGCONT');
    await until('the slow one has given up its own upload', () => proxy.givenUp > given);
    // What it does after that, it has done before it is through with another one.
    const next = uniqueId('next');
    await user.createSession(next, { retain_audio: true });
    const later = (await user.upload(next, 'q1', noise(next))).json.upload_id as string;
    await until('it goes on with others', async () => (await stand.row(later)).audio_state === 'deleted');

    expect((await inBucket()).objects).toContainEqual(expect.stringContaining(`/${id}.`));
    const response = await fetch(`http://127.0.0.1:${stand.balancer.port}/api/uploads/${id}/audio`, {
      headers: { authorization: `Bearer ${user.token}` },
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(audio)).toBe(true);
    expect((await inBucket()).cutShort).toBe(0);
  });
});

describe('a worker that is killed while it archives into GridFS', () => {
  let stand: Stand;

  beforeAll(async () => {
    stand = await Stand.start({ ARCHIVE_TIMEOUT_S: '10' });
    await stand.api();
  });
  afterAll(() => stand.stop());

  it('leaves no bytes that nothing knows of, and the audio whole', async () => {
    const user = await stand.user('alice');
    const session = uniqueId('kept');
    await user.createSession(session, { retain_audio: true });
    const audio = Buffer.concat([noise(session), randomBytes(24 * 2 ** 20)]);
    const { json } = await user.upload(session, 'q1', audio);
    const id = json.upload_id as string;
    const chunks = stand.database.collection('archive.chunks');
    const written = async () => (await chunks.distinct('files_id')).map(String);
    const recorded = async () =>
      (await stand.database.collection('archive_writes').find().toArray()).map(({ key }) => key as string);

    for (let time = 1; time <= 2; time++) {
      const before = await written();
      const worker = await stand.worker();
      await until(`attempt ${time} has begun to write`, async () =>
        (await written()).some((key) => !before.includes(key)),
      );
      await worker.kill();
      expect((await stand.row(id)).audio_state).toBe('stored');
      expect(await recorded()).toEqual(expect.arrayContaining(await written()));
    }
    await stand.worker();
    await until('it is archived, and its copy deleted', async () => (await stand.row(id)).audio_state === 'deleted');
    expect(await stand.orphans()).toEqual([]);
    expect(await written()).toHaveLength(1);
    const response = await fetch(`http://127.0.0.1:${stand.balancer.port}/api/uploads/${id}/audio`, {
      headers: { authorization: `Bearer ${user.token}` },
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(audio)).toBe(true);
  });
});
