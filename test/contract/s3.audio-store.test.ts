import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { NotFoundError } from '../../src/common/app-error.js';
import { loadConfig } from '../../src/config/config.js';
import { S3AudioStore } from '../../src/storage/s3.audio-store.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { S3Server, describeWithS3 } from '../support/s3-server.js';
import { audioStoreContract } from './audio-store.contract.js';

const MIB = 2 ** 20;

describeWithS3('audio in S3', () => {
  let server: S3Server;
  let store: S3AudioStore;

  const make = async () => {
    server = await S3Server.start();
    store = new S3AudioStore(loadConfig({ ...server.settings(), S3_PREFIX: 'interviews/' }));
    return store;
  };
  const close = async () => {
    store.close();
    await server.stop();
  };
  const pending = async () => {
    const client = server.client();
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'audio' }));
    client.destroy();
    return Uploads.length;
  };

  /** An upload to the bucket whose process is killed then. */
  const begin = async (key: string) => {
    const client = server.client();
    const object = { Bucket: 'audio', Key: key };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
    await client.send(new UploadPartCommand({ ...object, UploadId, PartNumber: 1, Body: randomBytes(5 * MIB) }));
    client.destroy();
  };

  audioStoreContract('S3', { make, close });

  describe('beyond the contract', () => {
    beforeAll(make);
    afterAll(close);

    it('writes what is known beforehand with the object, under the prefix', async () => {
      const description = {
        filename: 'x',
        contentType: 'audio/ogg',
        metadata: { session_id: 'Zoë / 1', upload_id: 'u' },
      };
      const sink = store.create('answer/a/b/c.ogg', { description });
      await sink.write(Buffer.from('abc'));
      await sink.finish(description);
      const client = server.client();
      const got = await client.send(new GetObjectCommand({ Bucket: 'audio', Key: 'interviews/answer/a/b/c.ogg' }));
      expect(await got.Body?.transformToString()).toBe('abc');
      expect(got.ContentType).toBe('audio/ogg');
      client.destroy();
      expect((await store.stat('answer/a/b/c.ogg'))?.metadata).toEqual({
        session_id: 'Zoë / 1',
        upload_id: 'u',
        content_type: 'audio/ogg',
      });
    });

    it('leaves no part behind an upload that was aborted, and clears away what a killed process left', async () => {
      const aborted = store.create();
      await aborted.write(randomBytes(11 * MIB));
      await aborted.abort();
      expect(await pending()).toBe(0);

      await begin('interviews/answer/cut.webm');
      expect(await pending()).toBe(1);
      const under = 'answer/';
      expect(await store.removeAbandoned({ before: new Date(Date.now() - 60_000), under })).toBe(0);
      expect(await store.removeAbandoned({ id: 'answer/cut.web' })).toBe(0);
      expect(await store.removeAbandoned({ before: new Date(Date.now() + 60_000), under })).toBe(1);
      expect(await pending()).toBe(0);
    });

    it('clears away what comes after an upload that is listed and is none, and stops where the bucket is away', async () => {
      for (const key of ['interviews/answer/1.webm', 'interviews/answer/2.webm']) await begin(key);
      const proxy = await S3Proxy.start(server.port);
      const behind = new S3AudioStore(loadConfig({ ...server.settings(proxy.url), S3_PREFIX: 'interviews/' }));
      const all = { before: new Date(Date.now() + 60_000), under: 'answer/' };
      proxy.ghosts = 1;
      expect(await behind.removeAbandoned(all)).toBe(1);
      expect(await pending()).toBe(1);
      await server.renameBucket('audio', 'elsewhere');
      await expect(behind.removeAbandoned(all)).rejects.toThrow();
      await server.renameBucket('elsewhere', 'audio');
      expect(await behind.removeAbandoned(all)).toBe(1);
      expect(await pending()).toBe(0);
      behind.close();
      await proxy.close();
    });

    it('leaves alone what others have begun in the same bucket', async () => {
      const keys = ['backups/of-others.tar', 'answers.csv'];
      for (const key of keys) await begin(key);
      const whole = new S3AudioStore(loadConfig(server.settings()));
      expect(await whole.removeAbandoned({ before: new Date(Date.now() + 60_000), under: 'answer/' })).toBe(0);
      whole.close();
      expect(await pending()).toBe(2);
    });

    it('sends the token that temporary keys come with', async () => {
      let token: unknown;
      const bucket = createServer((request, response) => {
        token = request.headers['x-amz-security-token'];
        response.end();
      }).listen(0, '127.0.0.1');
      await once(bucket, 'listening');
      const url = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`;
      const temporary = new S3AudioStore(
        loadConfig({ ...server.settings(url), AWS_SESSION_TOKEN: 'a-token-for-an-hour' }),
      );
      await temporary.check();
      temporary.close();
      bucket.close();
      expect(token).toBe('a-token-for-an-hour');
    });

    it('signs with what the machine itself has where no keys are given', async () => {
      let signedBy: string | undefined;
      const bucket = createServer((request, response) => {
        signedBy = request.headers.authorization;
        response.end();
      }).listen(0, '127.0.0.1');
      await once(bucket, 'listening');
      const url = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`;
      const keys = { AWS_ACCESS_KEY_ID: 'of-the-machine', AWS_SECRET_ACCESS_KEY: 'of-no-use' };
      Object.assign(process.env, keys);
      const ambient = new S3AudioStore(
        loadConfig({ AUDIO_ARCHIVE: 's3', S3_BUCKET: 'audio', S3_ENDPOINT: url, S3_FORCE_PATH_STYLE: 'true' }),
      );
      try {
        await ambient.check();
      } finally {
        for (const name of Object.keys(keys)) delete process.env[name];
        ambient.close();
        bucket.close();
      }
      expect(signedBy).toContain('Credential=of-the-machine/');
    });

    it('says why it cannot take bytes', async () => {
      const wrong = new S3AudioStore(loadConfig({ ...server.settings(server.url, 'no-such-bucket') }));
      await expect(wrong.check()).rejects.toThrow();
      wrong.close();
    });

    it.each<[string, (wrong: S3AudioStore) => Promise<unknown>]>([
      ['stat', (wrong) => wrong.stat('x')],
      ['open', (wrong) => buffer(wrong.open('x'))],
      ['annotate', (wrong) => wrong.annotate('x', { status: 'y' })],
      ['delete', (wrong) => wrong.delete('x')],
    ])('%s never takes a missing bucket for a missing object', async (_what, ask) => {
      const wrong = new S3AudioStore(loadConfig({ ...server.settings(server.url, 'no-such-bucket') }));
      const told: unknown = await ask(wrong).catch((error: unknown) => error);
      wrong.close();
      expect(told).toBeInstanceOf(Error);
      expect(told).not.toBeInstanceOf(NotFoundError);
      expect(wrong.isAway(told)).toBe(true);
    });

    it('says within seconds that a bucket which takes requests and never answers is away', async () => {
      const proxy = await S3Proxy.start(server.port);
      proxy.hangs = true;
      const hung = new S3AudioStore(loadConfig(server.settings(proxy.url)));
      const began = performance.now();
      const told = await Promise.all(
        [
          () => hung.stat('x'),
          () => hung.delete('x'),
          () => hung.check(),
          () => hung.removeAbandoned({ id: 'x' }),
          () => hung.listOlderThan(new Date()).next(),
        ].map((ask) => ask().catch((error: unknown) => error)),
      );
      expect((performance.now() - began) / 1000).toBeLessThan(20);
      expect(told.map((error) => hung.isAway(error))).toEqual(Array(5).fill(true));
      hung.close();
      proxy.release();
      await proxy.close();
    });
  });
});
