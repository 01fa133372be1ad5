import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { SweepScheduler } from '../sweep/sweep.scheduler.js';
import { Sweeper } from '../sweep/sweeper.js';
import type { SweepReport } from '../sweep/sweeper.js';
import type { Finding } from './finding.js';
import { KeptAudioQuarantine } from './kept-audio.quarantine.js';
import { LostAudio } from './lost-audio.js';
import { Quarantine } from './quarantine.js';
import { Verifier } from './verifier.js';
import type { Looked } from './verifier.js';

/** What a report names; the counts go on. */
const MOST_NAMED = 1000;

export interface BytesReport {
  /** Put into quarantine by this run. */
  quarantined: number;
  /** Out of quarantine: wanted after all. */
  released: number;
  /** Quarantine over, and still unwanted. */
  deleted: number;
  /** Rows whose bytes are gone, and now say so. */
  audio_lost: number;
  /** Files of another service: left alone. */
  not_ours: number;
  /** What was quarantined or given up. */
  found: Finding[];
}

export interface RecoveryReport {
  dry_run: boolean;
  /** By step: what was cut short and is finished now. */
  swept: SweepReport;
  bytes: BytesReport;
  checked: Looked;
}

/** Puts right what can be put right, at once. Nothing is deleted that cannot be proven unwanted: that is quarantined first. */
@Injectable()
export class Recovery implements OnModuleInit {
  constructor(
    private readonly sweeper: Sweeper,
    private readonly scheduler: SweepScheduler,
    private readonly verifier: Verifier,
    private readonly quarantine: Quarantine,
    private readonly keptAudio: KeptAudioQuarantine,
    private readonly lost: LostAudio,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.scheduler.addRare(() => this.putBytesRight(false));
  }

  /** @param dryRun says what would be done, and does nothing */
  async run(dryRun = false): Promise<RecoveryReport> {
    const checked: Looked = { files: 0, records: 0, hashed_bytes: 0 };
    const swept = await this.sweeper.sweep(dryRun);
    return { dry_run: dryRun, swept, bytes: await this.putBytesRight(dryRun, checked), checked };
  }

  /** Bytes without rows, and rows without bytes. */
  async putBytesRight(
    dryRun: boolean,
    checked: Looked = { files: 0, records: 0, hashed_bytes: 0 },
  ): Promise<BytesReport> {
    const reviewed = await this.quarantine.review(dryRun);
    const kept = await this.keptAudio.review(dryRun);
    const report: BytesReport = {
      quarantined: kept.quarantined,
      released: reviewed.released + kept.released,
      deleted: reviewed.deleted + kept.deleted,
      audio_lost: 0,
      not_ours: 0,
      found: [],
    };
    for await (const finding of this.verifier.landingZone({ deep: false }, checked)) {
      if (!(await this.act(finding, dryRun, report))) continue;
      if (report.found.length < MOST_NAMED) report.found.push(finding);
    }
    const { quarantined, released, deleted, audio_lost } = report;
    const counts = { quarantined, released, deleted, audio_lost };
    if (!dryRun && Object.values(counts).some((count) => count > 0))
      this.log.pino.warn(counts, 'Recovery put things right');
    return report;
  }

  private async act(finding: Finding, dryRun: boolean, report: BytesReport): Promise<boolean> {
    if (finding.category === 'files_without_records') {
      if (finding.reason === 'not_ours') {
        report.not_ours += 1;
        return false;
      }
      const held = await this.quarantine.hold(finding, dryRun);
      if (held) report.quarantined += 1;
      return held;
    }
    if (finding.category !== 'records_without_files') return false;
    const closed = await this.lost.close(finding.upload_id, dryRun);
    if (closed) report.audio_lost += 1;
    return closed;
  }
}
