import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Outbox } from '../events/outbox.js';
import { Ledger } from '../uploads/ledger.js';
import { stagePath } from '../uploads/stage-path.js';
import { owedByRow } from '../uploads/row-events.js';
import { UploadTargets } from '../uploads/targets.js';
import { STAGES, needsBytes } from '../uploads/upload.schema.js';
import type { StageError, Upload } from '../uploads/upload.schema.js';

export const AUDIO_LOST: StageError = {
  code: 'audio_lost',
  message: 'The stored audio was lost; please record the answer again',
};

export const AUDIO_ALTERED: StageError = {
  code: 'audio_altered',
  message: 'The stored audio is damaged; please record the answer again',
};

/** Ends the waiting of rows whose bytes are gone: what needs the bytes fails, and says why in words. */
@Injectable()
export class LostAudio {
  constructor(
    private readonly ledger: Ledger,
    private readonly targets: UploadTargets,
    private readonly outbox: Outbox,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /**
   * @param error what the row is to say
   * @returns false when the row has changed meanwhile, or a worker has it: that one will find out by itself
   */
  async close(uploadId: string, dryRun = false, error: StageError = AUDIO_LOST): Promise<boolean> {
    const row = await this.ledger.find(uploadId);
    if (row?.state !== 'committed' || row.audio_state !== 'stored') return false;
    const stages = STAGES.filter(needsBytes).map((stage) => ({ stage, state: row.stages[stage]?.state }));
    if (stages.some(({ state }) => state === 'processing')) return false;
    if (dryRun) return true;
    const now = new Date();
    const waiting = stages.filter(({ state }) => state === 'due' || state === 'failed');
    const mark = randomUUID();
    const set: Record<string, unknown> = {
      audio_state: 'deleted',
      audio_deleted_at: now,
      projection_due: mark,
    };
    // Transcribed already, and only kept: the row itself says what became of its audio.
    if (waiting.length === 0) set['error'] = error;
    const owing = waiting.find(({ state }) => state === 'due');
    if (owing) Object.assign(set, owedByRow(this.outbox, row, owing.stage, { failed: error }, mark));
    for (const { stage } of waiting) {
      set[stagePath(stage, 'state')] = 'failed';
      set[stagePath(stage, 'error')] = error;
      set[stagePath(stage, 'finished_at')] = now;
    }
    const asSeen = { _id: row._id, state: row.state, audio_state: row.audio_state, version: row.version };
    if (!(await this.ledger.change(asSeen, set, ['link_due'], true))) return false;
    if (waiting.length === 0) this.metrics.failures.labels('upload', error.code).inc();
    for (const { stage, state } of waiting) if (state === 'due') this.metrics.failures.labels(stage, error.code).inc();
    for (const { stage, state } of waiting) if (state === 'due') await this.record(row, stage, now, error);
    // Shown now; were this cut short, the sweep would show it.
    const closed = await this.ledger.find(row._id);
    if (closed) await this.targets.of(closed).project(closed);
    this.outbox.shown(row._id, mark);
    this.log.pino.error(
      { upload_id: uploadId, session_id: row.session_id, code: error.code },
      'Stored audio lost or damaged',
    );
    return true;
  }

  private async record(row: Upload, stage: (typeof STAGES)[number], now: Date, error: StageError): Promise<void> {
    const number = row.stages[stage]?.attempts ?? 0;
    await this.ledger.record({
      upload_id: row._id,
      stage,
      number,
      worker: null,
      from: null,
      to: now,
      outcome: 'failed',
      error,
      correlation_id: row.correlation_id,
    });
  }
}
