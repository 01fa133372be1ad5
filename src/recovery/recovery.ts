import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { SweepScheduler } from '../sweep/sweep.scheduler.js';
import { MOST, MOST_ERASURES, Sweeper } from '../sweep/sweeper.js';
import type { SweepReport } from '../sweep/sweeper.js';
import { LedgerNotes } from '../uploads/ledger-notes.js';
import type { Finding } from './finding.js';
import { KeptAudioQuarantine } from './kept-audio.quarantine.js';
import { LostAudio } from './lost-audio.js';
import { Quarantine } from './quarantine.js';
import { Verifier } from './verifier.js';
import type { Looked } from './verifier.js';

/** What a report names; the counts go on. */
const MOST_NAMED = 1000;
/** Sweeps of one run at most: a million rows of each kind. */
const MOST_SWEEPS = 1000;
/** A step that did fewer in one sweep came to its end: some of what it looked at, others did meanwhile. */
const MANY = 100;
/** Steps that lean on the archive, or on receivers of webhooks: while those are away, the next sweep would find the same again. */
const ONCE: ReadonlySet<string> = new Set(['erasures', 'kept_audio_releases', 'archive_leftovers', 'overdue_webhooks']);

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
  /** Whether a step had more to do than it did, or counted, here: the sweep goes on with it. */
  more: boolean;
  bytes: BytesReport;
  checked: Looked;
}

/** Puts right what can be put right, at once. Nothing is deleted that cannot be proven unwanted: that is quarantined first. */
@Injectable()
export class Recovery implements OnModuleInit {
  constructor(
    private readonly sweeper: Sweeper,
    private readonly notes: LedgerNotes,
    private readonly scheduler: SweepScheduler,
    private readonly verifier: Verifier,
    private readonly quarantine: Quarantine,
    private readonly keptAudio: KeptAudioQuarantine,
    private readonly lost: LostAudio,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.scheduler.addRare((signal) => this.putBytesRight(false, undefined, signal));
  }

  /** @param dryRun says what would be done, and does nothing */
  async run(dryRun = false): Promise<RecoveryReport> {
    const checked: Looked = { files: 0, records: 0, hashed_bytes: 0 };
    const { swept, more } = await this.sweep(dryRun);
    return { dry_run: dryRun, swept, more, bytes: await this.putBytesRight(dryRun, checked), checked };
  }

  /** Again and again: a step stops after so many rows, so that the periodic sweep has its turn at each kind. */
  private async sweep(dryRun: boolean): Promise<{ swept: SweepReport; more: boolean }> {
    const swept: SweepReport = {};
    for (let sweeps = 1; ; sweeps++) {
      const report = await this.sweeper.sweep(dryRun);
      for (const [step, count] of Object.entries(report)) swept[step] = (swept[step] ?? 0) + count;
      const goesOn = !dryRun && Object.entries(report).some(([step, count]) => !ONCE.has(step) && count >= MANY);
      if (!goesOn || sweeps === MOST_SWEEPS) return { swept, more: goesOn || Object.entries(report).some(isCutOff) };
      // What was put right must not be found, and counted, once more.
      await this.notes.flush();
    }
  }

  /**
   * Bytes without rows, and rows without bytes.
   *
   * @param signal ends it early
   */
  async putBytesRight(
    dryRun: boolean,
    checked: Looked = { files: 0, records: 0, hashed_bytes: 0 },
    signal?: AbortSignal,
  ): Promise<BytesReport> {
    const reviewed = await this.quarantine.review(dryRun);
    const kept = await this.keptAudio.review(dryRun, signal);
    const report: BytesReport = {
      quarantined: kept.quarantined,
      released: reviewed.released + kept.released,
      deleted: reviewed.deleted + kept.deleted,
      audio_lost: 0,
      not_ours: 0,
      found: [],
    };
    for await (const finding of this.verifier.landingZone({ deep: false }, checked)) {
      if (signal?.aborted) break;
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

function isCutOff([step, count]: [string, number]): boolean {
  return count >= (step === 'erasures' ? MOST_ERASURES : MOST);
}
