import { MongooseModule } from '@nestjs/mongoose';
import { AppError } from '../../src/common/app-error.js';
import { HealthRegistry } from '../../src/common/health.js';
import { Metrics } from '../../src/common/metrics.js';
import { FastRedis } from '../../src/common/redis.js';
import { LimitsModule } from '../../src/limits/limits.module.js';
import { OpsModule } from '../../src/ops/ops.module.js';
import { startRedis, testMongoUri, uniqueDatabase } from '../support/servers.js';
import { bearer, type MannersApp, startMannersApp } from './manners.app.js';
import { MannersController } from './manners.controller.js';

let redis: Awaited<ReturnType<typeof startRedis>>;
let service: MannersApp;

beforeAll(async () => {
  redis = await startRedis();
  service = await startMannersApp(
    {
      controllers: [MannersController],
      imports: [LimitsModule, OpsModule, MongooseModule.forRoot(testMongoUri(), { dbName: uniqueDatabase() })],
    },
    { REDIS_URL: redis.uri },
  );
  const client = service.app.get(FastRedis);
  if (client.status !== 'ready') await new Promise((resolve) => client.once('ready', resolve));
});
afterAll(async () => {
  await service.close();
  await redis.stop();
});

interface Report {
  status: string;
  checks: Record<string, { state: string; required: boolean; reason?: string }>;
}

const ready = async () => {
  const response = await fetch(`${service.url}/health/ready`);
  return { code: response.status, headers: response.headers, report: (await response.json()) as Report };
};

describe('health', () => {
  it('live and ready need no token', async () => {
    expect(await (await fetch(`${service.url}/health/live`)).json()).toEqual({ status: 'alive' });
    const { code, report } = await ready();
    expect(code).toBe(200);
    expect(report).toMatchObject({ status: 'ready', checks: { mongodb: { state: 'up' }, redis: { state: 'up' } } });
  });

  it('a required dependency that fails makes it 503 with a reason that gives nothing away', async () => {
    const registry = service.app.get(HealthRegistry);
    let failure: Error | null = new AppError('unavailable', 'x', 'the model is not loaded');
    registry.register('transcriber', async () => {
      if (failure) throw failure;
    });
    const first = await ready();
    expect(first.code).toBe(503);
    expect(first.headers.get('retry-after')).toBe('5');
    expect(first.report.checks['transcriber']).toMatchObject({ state: 'down', reason: 'the model is not loaded' });
    failure = Object.assign(new Error('mongodb://root:hunter2@db:27017 refused'), { code: 'ECONNREFUSED' });
    expect((await ready()).report.checks['transcriber']?.reason).toBe('ECONNREFUSED');
    failure = null;
    expect((await ready()).code).toBe(200);
  });

  it('a check that hangs is down within its time limit, beside the others, and is not started twice', async () => {
    const registry = service.app.get(HealthRegistry);
    let started = 0;
    let letGo = () => {};
    registry.register('store', () => {
      started++;
      return new Promise<void>((resolve) => (letGo = resolve));
    });
    const from = performance.now();
    const [one, two] = await Promise.all([ready(), ready()]);
    expect(performance.now() - from).toBeLessThan(4000);
    expect(one.report.checks['store']).toMatchObject({ state: 'down', reason: 'no answer within 2 s' });
    expect(two.report.checks['mongodb']?.state).toBe('up');
    expect(started).toBe(1);
    letGo();
    registry.register('store', async () => 'gridfs');
    expect((await ready()).report.checks['store']).toMatchObject({ state: 'up', reason: 'gridfs' });
  });

  it('without Redis it is degraded, and still ready: answers are taken without it', async () => {
    const client = service.app.get(FastRedis);
    const closed = new Promise((resolve) => client.once('close', resolve));
    await redis.kill();
    await closed;
    const { code, report } = await ready();
    expect(code).toBe(200);
    expect(report).toMatchObject({ status: 'degraded', checks: { redis: { state: 'down', required: false } } });
  });
});

describe('metrics', () => {
  const scrape = async () => (await fetch(`${service.url}/metrics`)).text();

  it('requests are counted by route template and status, never by id', async () => {
    const headers = await bearer();
    await fetch(`${service.url}/api/uploads/${'ab'.repeat(12)}`, { headers });
    await fetch(`${service.url}/api/uploads/12`, { headers });
    await fetch(`${service.url}/wp-login.php`);
    const text = await scrape();
    const line = (route: string, status: number) =>
      `vivavoce_http_request_duration_seconds_count{method="GET",route="${route}",status="${status}"} 1`;
    expect(text).toContain(line('/api/uploads/{upload_id}', 200));
    expect(text).toContain(line('/api/uploads/{upload_id}', 422));
    expect(text).toContain(line('unmatched', 404));
    expect(text).not.toContain('abababab');
    expect(text).not.toContain('wp-login');
  });

  it('what features measure is there, beside the process, under names in base units', async () => {
    const metrics = service.app.get(Metrics);
    metrics.uploads.inc({ outcome: 'committed', kind: 'answer' });
    metrics.uploadBytes.inc({ kind: 'answer' }, 48213);
    metrics.jobs.inc({ queue: 'transcription', outcome: 'done' });
    metrics.onScrape(async () => metrics.queueDepth.set({ queue: 'transcription', state: 'due' }, 7));
    metrics.onScrape(() => Promise.reject(new Error('broken collector')));
    const text = await scrape();
    expect(text).toContain('vivavoce_uploads_total{outcome="committed",kind="answer"} 1');
    expect(text).toContain('vivavoce_upload_bytes_total{kind="answer"} 48213');
    expect(text).toContain('vivavoce_jobs_total{queue="transcription",outcome="done"} 1');
    expect(text).toContain('vivavoce_queue_depth{queue="transcription",state="due"} 7');
    expect(text).toContain('process_resident_memory_bytes');
    for (const [, name] of text.matchAll(/^# TYPE (vivavoce_\S+) counter$/gm)) expect(name).toMatch(/_total$/);
  });

  it('a collector that hangs does not hold up the scrape for long', async () => {
    service.app.get(Metrics).onScrape(() => new Promise(() => {}));
    const from = performance.now();
    expect(await scrape()).toContain('vivavoce_queue_depth');
    expect(performance.now() - from).toBeLessThan(4000);
  });
});
