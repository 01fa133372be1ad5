import { Controller, HttpCode, Post } from '@nestjs/common';
import { UploadLimit } from '../../src/limits/limits.guard.js';
import { LimitsModule } from '../../src/limits/limits.module.js';
import { FastRedis } from '../../src/common/redis.js';
import { startRedis, testRedisUrl, uniquePrefix } from '../support/servers.js';
import { bearer, type MannersApp, startMannersApp } from './manners.app.js';

@Controller('api')
class UploadsController {
  @UploadLimit()
  @Post('upload')
  @HttpCode(200)
  upload() {
    return { ok: true };
  }

  @Post('other')
  @HttpCode(200)
  other() {
    return { ok: true };
  }
}

const start = async (environment: Record<string, string>) => {
  const service = await startMannersApp({ controllers: [UploadsController], imports: [LimitsModule] }, environment);
  await untilReady(service);
  return service;
};

async function untilReady(service: MannersApp): Promise<void> {
  const redis = service.app.get(FastRedis);
  if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve));
}

const post = async (service: MannersApp, path: string, user: string) =>
  fetch(service.url + path, { method: 'POST', headers: await bearer(user) });

describe('limits', () => {
  it('the uploads of a user in a minute are counted over all processes, and the next is 429', async () => {
    const environment = { REDIS_URL: testRedisUrl(), REDIS_PREFIX: uniquePrefix(), UPLOADS_PER_MINUTE: '3' };
    const [one, two] = await Promise.all([start(environment), start(environment)]);
    try {
      const first = await post(one, '/api/upload', 'alice');
      expect(first.headers.get('ratelimit-policy')).toBe('"uploads";q=3;w=60');
      expect(first.headers.get('ratelimit')).toMatch(/^"uploads";r=2;t=(60|59)$/);
      expect((await post(two, '/api/upload', 'alice')).headers.get('ratelimit')).toContain('r=1');
      expect((await post(one, '/api/upload', 'alice')).status).toBe(200);

      const refused = await post(two, '/api/upload', 'alice');
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.headers.get('ratelimit')).toContain('"uploads";r=0;t=');
      expect(await refused.json()).toEqual({ detail: expect.stringContaining('at most 3 a minute') });

      expect((await post(two, '/api/upload', 'bob')).status).toBe(200);
      const unlimited = await post(two, '/api/other', 'alice');
      expect(unlimited.status).toBe(200);
      expect(unlimited.headers.get('ratelimit')).toBeNull();
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
  });

  it('the limit of all requests covers every route that knows its user', async () => {
    const service = await start({ REDIS_URL: testRedisUrl(), REDIS_PREFIX: uniquePrefix(), REQUESTS_PER_MINUTE: '2' });
    try {
      const both = await post(service, '/api/upload', 'alice');
      expect(both.headers.get('ratelimit-policy')).toBe('"requests";q=2;w=60, "uploads";q=60;w=60');
      expect((await post(service, '/api/other', 'alice')).status).toBe(200);
      expect((await post(service, '/api/other', 'alice')).status).toBe(429);
    } finally {
      await service.close();
    }
  });

  it('0 means no limit, and then Redis is not asked', async () => {
    const service = await start({ REDIS_URL: testRedisUrl(), UPLOADS_PER_MINUTE: '0' });
    try {
      const response = await post(service, '/api/upload', 'alice');
      expect([response.status, response.headers.get('ratelimit')]).toEqual([200, null]);
    } finally {
      await service.close();
    }
  });

  it('a Redis that hangs, dies and comes back makes no request fail or wait, and limits still hold', async () => {
    const redis = await startRedis();
    const service = await start({ REDIS_URL: redis.uri, UPLOADS_PER_MINUTE: '2' });
    const timed = async (user: string) => {
      const started = performance.now();
      const { status } = await post(service, '/api/upload', user);
      expect(performance.now() - started).toBeLessThan(5000);
      return status;
    };
    try {
      expect(await timed('alice')).toBe(200);
      redis.pause();
      expect(await timed('bob')).toBe(200);
      redis.resume();
      await redis.kill();
      expect([await timed('carol'), await timed('carol'), await timed('carol')]).toEqual([200, 200, 429]);
    } finally {
      await service.close();
      await redis.stop();
    }
  });
});
