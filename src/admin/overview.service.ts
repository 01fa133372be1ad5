import { Injectable } from '@nestjs/common';
import { QueueDepths } from '../queue/queue-depths.js';
import { WorkerPresence } from '../queue/worker-presence.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName } from '../uploads/upload.schema.js';
import type { HourOverview, Overview, StageOverview } from './overview.dto.js';
import type { CodeCount, EndCounts } from './overview.repository.js';
import { OverviewRepository } from './overview.repository.js';

const HOUR_MS = 3_600_000;
const WINDOW_H = 24;
const SAMPLE = 1000;

interface Hour extends EndCounts {
  from: Date;
}

/** What an operator looks at first: what waits, what fails, how fast it goes, what it takes up. */
@Injectable()
export class OverviewService {
  constructor(
    private readonly repository: OverviewRepository,
    private readonly depths: QueueDepths,
    private readonly presence: WorkerPresence,
  ) {}

  async read(): Promise<Overview> {
    const at = new Date();
    const since = new Date(at.getTime() - WINDOW_H * HOUR_MS);
    const [depths, hours, durations, failures, failedUploads, open, expired, gridFs, archived, databaseBytes, alive] =
      await Promise.all([
        this.depths.read(),
        this.hours(since, at),
        Promise.all(STAGES.map((stage) => this.repository.durationsS(stage, since, SAMPLE))),
        Promise.all(STAGES.map((stage) => this.repository.failures(stage, since))),
        this.repository.failedUploads(since),
        this.repository.deadLetters({}, 'open'),
        this.repository.deadLetters({}, 'expired'),
        this.repository.gridFs(),
        this.repository.archived(),
        this.repository.databaseBytes(),
        this.presence.alive().catch(() => null),
      ]);
    const stages = STAGES.map((stage, index) =>
      stageOverview(stage, hours, failures[index] ?? [], durations[index] ?? []),
    );
    return {
      at,
      window_hours: WINDOW_H,
      success_rate: successRate(total(stages, 'done'), total(stages, 'failed')),
      queues: depths.map(({ stage, depth, oldestWaitS }) => ({
        stage,
        ...depth,
        oldest_wait_seconds: rounded(oldestWaitS),
      })),
      stages,
      failures: [
        ...STAGES.flatMap((stage, index) => (failures[index] ?? []).map((failure) => ({ stage, ...failure }))),
        ...failedUploads.map(({ code, count }) => ({ stage: 'upload', code, attempts: count, final: count })),
      ].sort((a, b) => b.attempts - a.attempts),
      hours: hours.flatMap(throughput),
      dead_letters: { open, expired },
      storage: [
        { store: 'gridfs', ...gridFs },
        ...archived
          .map(({ store, ...stored }) => ({ store: store === 's3' ? 's3' : 'gridfs_archive', ...stored }))
          .sort((a, b) => (a.store < b.store ? -1 : 1)),
      ],
      database: databaseBytes === null ? null : { bytes: databaseBytes },
      workers: { alive },
    };
  }

  /** By the clock's hours, so that a graph of them does not move with each look; the first one is a part. */
  private hours(since: Date, until: Date): Promise<Hour[]> {
    const starts: Date[] = [since];
    let next = Math.floor(since.getTime() / HOUR_MS + 1) * HOUR_MS;
    for (; next <= until.getTime(); next += HOUR_MS) starts.push(new Date(next));
    // The last hour is open: ids hold whole seconds, and what ended in this one counts.
    const end = new Date(next);
    return Promise.all(
      starts.map(async (from, index) => ({ from, ...(await this.repository.ends(from, starts[index + 1] ?? end)) })),
    );
  }
}

function stageOverview(stage: StageName, hours: Hour[], failures: CodeCount[], durationsS: number[]): StageOverview {
  const done = hours.reduce((sum, hour) => sum + (hour.done.get(stage) ?? 0), 0);
  const failed = hours.reduce((sum, hour) => sum + (hour.failed.get(stage) ?? 0), 0);
  const sorted = durationsS.sort((a, b) => a - b);
  return {
    stage,
    done,
    failed,
    tried_again: failures.reduce((sum, { attempts, final }) => sum + attempts - final, 0),
    success_rate: successRate(done, failed),
    p50_seconds: quantile(sorted, 0.5),
    p95_seconds: quantile(sorted, 0.95),
    sampled: sorted.length,
  };
}

function throughput({ from, done, failed }: Hour): HourOverview[] {
  return STAGES.map((stage) => ({
    from,
    stage,
    done: done.get(stage) ?? 0,
    failed: failed.get(stage) ?? 0,
  })).filter((hour) => hour.done + hour.failed > 0);
}

const total = (stages: StageOverview[], what: 'done' | 'failed'): number =>
  stages.reduce((sum, stage) => sum + stage[what], 0);

function successRate(done: number, failed: number): number | null {
  return done + failed === 0 ? null : Math.round((done / (done + failed)) * 1e5) / 1e5;
}

/** Nearest rank: a value that was measured, never one in between. */
function quantile(sorted: number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  return value === undefined ? null : rounded(value);
}

const rounded = (seconds: number): number => Math.round(seconds * 1000) / 1000;
