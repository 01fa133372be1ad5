import { jest } from '@jest/globals';
import { Metrics } from './metrics.js';

/** What a scrape says of a metric, without its help. */
async function series(metrics: Metrics, name: string): Promise<string[]> {
  return (await metrics.expose()).split('\n').filter((line) => line.startsWith(name));
}

describe('Metrics', () => {
  it('leaves out what could not be read, however often it was before, until it can be again', async () => {
    const metrics = new Metrics();
    let isAway = false;
    metrics.onScrape(
      async () => {
        if (isAway) throw new Error('Redis is away');
        metrics.workers.set(2);
        metrics.queueDepth.labels('analysis', 'due').set(3);
      },
      metrics.workers,
      metrics.queueDepth,
    );
    const depth = 'vivavoce_queue_depth{queue="analysis",state="due"} 3';
    expect(await series(metrics, 'vivavoce_workers')).toEqual(['vivavoce_workers 2']);
    isAway = true;
    expect(await series(metrics, 'vivavoce_workers')).toEqual([]);
    expect(await series(metrics, 'vivavoce_queue_depth')).toEqual([]);
    isAway = false;
    expect(await series(metrics, 'vivavoce_workers')).toEqual(['vivavoce_workers 2']);
    expect(await series(metrics, 'vivavoce_queue_depth')).toEqual([depth]);
  });

  it('leaves out what takes too long, and gives the rest', async () => {
    const metrics = new Metrics();
    metrics.workers.set(2);
    metrics.onScrape(() => new Promise(() => undefined), metrics.workers);
    metrics.onScrape(async () => metrics.diskFree.set(7), metrics.diskFree);
    jest.useFakeTimers();
    const text = metrics.expose();
    jest.advanceTimersByTime(2000);
    jest.useRealTimers();
    expect(await text).not.toMatch(/^vivavoce_workers /m);
    expect(await text).toMatch(/^vivavoce_disk_free_bytes 7$/m);
  });
});
