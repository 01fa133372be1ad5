import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const WORK_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];

/** How many collectors a scrape waits for at once is not limited; how long it waits is. */
const COLLECT_TIMEOUT_MS = 2000;

interface Collector {
  gauges: Gauge<string>[];
  collect: () => Promise<void>;
}

/**
 * Everything that Prometheus may ask of this process. Injectable by its class. Base units; no ids as labels.
 * Names follow https://prometheus.io/docs/practices/naming/.
 */
export class Metrics {
  readonly registry = new Registry();

  readonly httpRequests = new Histogram({
    name: 'vivavoce_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the end of its response, by route template.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: REQUEST_BUCKETS,
    registers: [this.registry],
  });

  readonly uploads = new Counter({
    name: 'vivavoce_uploads_total',
    help: 'Uploads by outcome (committed, duplicate, refused, failed) and kind (answer, recording, document, content).',
    labelNames: ['outcome', 'kind'] as const,
    registers: [this.registry],
  });
  readonly uploadBytes = new Counter({
    name: 'vivavoce_upload_bytes_total',
    help: 'Bytes of uploads that were committed.',
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });
  readonly uploadDuration = new Histogram({
    name: 'vivavoce_upload_duration_seconds',
    help: 'Time from the start of an upload to its commit.',
    labelNames: ['kind'] as const,
    buckets: WORK_BUCKETS,
    registers: [this.registry],
  });

  readonly jobs = new Counter({
    name: 'vivavoce_jobs_total',
    help: 'Attempts of a stage by queue and outcome (done, retried, failed, fenced, returned, lost).',
    labelNames: ['queue', 'outcome'] as const,
    registers: [this.registry],
  });
  readonly failures = new Counter({
    name: 'vivavoce_failures_total',
    help: 'Failures by where (upload, webhook, or the stage whose attempt failed) and the stable code that the ledger has too.',
    labelNames: ['stage', 'code'] as const,
    registers: [this.registry],
  });
  readonly jobWait = new Histogram({
    name: 'vivavoce_job_wait_seconds',
    help: 'Time from when a stage was due to when a worker took it.',
    labelNames: ['queue'] as const,
    buckets: WORK_BUCKETS,
    registers: [this.registry],
  });
  readonly jobRun = new Histogram({
    name: 'vivavoce_job_run_seconds',
    help: 'Time one attempt of a stage ran.',
    labelNames: ['queue'] as const,
    buckets: WORK_BUCKETS,
    registers: [this.registry],
  });
  readonly queueDepth = new Gauge({
    name: 'vivavoce_queue_depth',
    help: 'Stages by queue and state (due, processing, failed).',
    labelNames: ['queue', 'state'] as const,
    registers: [this.registry],
  });
  readonly queueOldestWait = new Gauge({
    name: 'vivavoce_queue_oldest_wait_seconds',
    help: 'How long the stage that waits the longest has waited, through every try that failed; 0 when none waits.',
    labelNames: ['queue'] as const,
    registers: [this.registry],
  });

  readonly workers = new Gauge({
    name: 'vivavoce_workers',
    help: 'Workers that have reported lately.',
    registers: [this.registry],
  });
  readonly diskFree = new Gauge({
    name: 'vivavoce_disk_free_bytes',
    help: 'Free space of the file system that DATA_DIR is on.',
    registers: [this.registry],
  });
  readonly diskSize = new Gauge({
    name: 'vivavoce_disk_size_bytes',
    help: 'Size of the file system that DATA_DIR is on.',
    registers: [this.registry],
  });

  // Without a label a gauge begins at 0, which would be read as a full disk where MongoDB does not tell.
  readonly databaseFree = new Gauge({
    name: 'vivavoce_database_free_bytes',
    help: 'Free space of the disk that MongoDB is on, where it tells.',
    labelNames: ['disk'] as const,
    registers: [this.registry],
  });
  readonly databaseSize = new Gauge({
    name: 'vivavoce_database_size_bytes',
    help: 'Size of the disk that MongoDB is on, where it tells.',
    labelNames: ['disk'] as const,
    registers: [this.registry],
  });

  readonly realTimeFactor = new Histogram({
    name: 'vivavoce_transcription_real_time_factor',
    help: 'Time a transcription took per second of its audio.',
    labelNames: ['engine'] as const,
    buckets: [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 5],
    registers: [this.registry],
  });

  readonly transcriptCache = new Counter({
    name: 'vivavoce_transcript_cache_total',
    help: 'Transcriptions by whether a transcript of the same bytes of the same user was there (hit, miss).',
    labelNames: ['outcome'] as const,
    registers: [this.registry],
  });

  readonly archived = new Counter({
    name: 'vivavoce_archived_total',
    help: 'Audio that was archived, by whether it was stored or shared with an earlier upload of the same bytes.',
    labelNames: ['outcome'] as const,
    registers: [this.registry],
  });
  readonly archivedBytes = new Counter({
    name: 'vivavoce_archived_bytes_total',
    help: 'Bytes stored in the archive.',
    registers: [this.registry],
  });

  readonly webhookDeliveries = new Counter({
    name: 'vivavoce_webhook_deliveries_total',
    help: 'Attempts to deliver an event to a webhook by event type and outcome (delivered, retried, failed, cancelled).',
    labelNames: ['event', 'outcome'] as const,
    registers: [this.registry],
  });
  readonly webhookDuration = new Histogram({
    name: 'vivavoce_webhook_duration_seconds',
    help: 'Time that a receiver of a webhook took to answer, or to be given up.',
    labelNames: ['outcome'] as const,
    buckets: REQUEST_BUCKETS,
    registers: [this.registry],
  });
  readonly webhookPending = new Gauge({
    name: 'vivavoce_webhook_pending_deliveries',
    help: 'Deliveries of webhooks that are due or wait for another try.',
    registers: [this.registry],
  });

  private readonly collectors: Collector[] = [];
  private readonly httpChildren = new Map<string, { observe(seconds: number): void }>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Registers a function that sets `gauges`, called at each scrape. If it fails or takes over 2 s, they are missing from it. */
  onScrape(collect: () => Promise<void>, ...gauges: Gauge<string>[]): void {
    this.collectors.push({ gauges, collect });
  }

  /** Counts a finished request. `route` is its template, or `unmatched`. */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    // Resolving labels costs more than the observation itself: their combinations are few, so they are kept.
    const key = `${method} ${status} ${route}`;
    let child = this.httpChildren.get(key);
    if (!child) {
      child = this.httpRequests.labels(method, route, String(status));
      this.httpChildren.set(key, child);
    }
    child.observe(seconds);
  }

  /** The text that Prometheus reads. */
  async expose(): Promise<string> {
    await Promise.all(this.collectors.map(withinTimeLimit));
    return this.registry.metrics();
  }
}

async function withinTimeLimit({ gauges, collect }: Collector): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('It takes too long')), COLLECT_TIMEOUT_MS);
  });
  try {
    await Promise.race([collect(), limit]);
  } catch {
    // What could not be collected is missing from the scrape: the last value would pass for today's. Health checks say why.
    for (const gauge of gauges) for (const { labels } of (await gauge.get()).values) gauge.remove(labels);
  } finally {
    clearTimeout(timer);
  }
}
