import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { AudioStore } from '../storage/audio-store.js';
import type { StoredAudio } from '../storage/audio-store.js';
import { Ledger } from '../uploads/ledger.js';
import type { Upload } from '../uploads/upload.schema.js';

export interface CleanedFile {
  file_id: string;
  upload_id: string;
  /** Bytes. */
  size: number;
  uploaded_at: Date;
  reason: 'superseded' | 'duplicate' | 'failed_upload' | 'transcribed' | 'dismissed' | 'expired';
}

export interface CleanupReport {
  deleted_count: number;
  freed_bytes: number;
  files: CleanedFile[];
}

const HOUR_MS = 3_600_000;
/** Files that a report names; the counts go on. */
const MOST_NAMED = 1000;

/** Deletes old audio that nothing needs. Audio that waits for a stage is always needed, and files of other services are not ours. */
@Injectable()
export class AudioCleanup {
  constructor(
    private readonly ledger: Ledger,
    private readonly store: AudioStore,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  /**
   * @param dryRun says what would go, and deletes nothing
   * @param signal ends it early
   */
  async run(hours: number, dryRun = false, signal?: AbortSignal): Promise<CleanupReport> {
    const report: CleanupReport = { deleted_count: 0, freed_bytes: 0, files: [] };
    for await (const file of this.store.listOlderThan(new Date(Date.now() - hours * HOUR_MS))) {
      if (signal?.aborted) break;
      const uploadId = file.metadata['upload_id'];
      if (typeof uploadId !== 'string' || !mongo.ObjectId.isValid(uploadId)) continue;
      const row = await this.ledger.find(uploadId);
      // A file whose row is gone cannot be proven unwanted: recovery quarantines it.
      const reason = row && this.reasonToDelete(row, file);
      if (!reason) continue;
      if (!dryRun && !(await this.delete(row, file))) continue;
      report.deleted_count += 1;
      report.freed_bytes += file.size;
      const named = { file_id: file.id, upload_id: uploadId, size: file.size, uploaded_at: file.uploadedAt, reason };
      if (report.files.length < MOST_NAMED) report.files.push(named);
    }
    if (report.deleted_count > 0 && !dryRun) {
      const { deleted_count, freed_bytes } = report;
      this.log.pino.info({ deleted_count, freed_bytes, hours }, 'Old audio deleted');
    }
    return report;
  }

  private reasonToDelete(row: Upload, file: StoredAudio): CleanedFile['reason'] | null {
    if (row.file_id?.toHexString() !== file.id) return null;
    if (row.state === 'superseded' || row.state === 'duplicate') return row.state;
    if (row.state === 'failed') return 'failed_upload';
    // What is kept is kept whether or not it was understood: while the row stands, it stays here or moves into the archive.
    if (row.state !== 'committed' || row.retain_audio) return null;
    const transcription = row.stages.transcription;
    if (transcription?.state === 'done') return 'transcribed';
    if (transcription?.state !== 'failed') return null;
    if (transcription.dismissed_at) return 'dismissed';
    const failedAt = transcription.finished_at ?? row.updated_at;
    return Date.now() - failedAt.getTime() > this.config.FAILED_AUDIO_RETENTION_H * HOUR_MS ? 'expired' : null;
  }

  private async delete(row: Upload, file: StoredAudio): Promise<boolean> {
    // Recorded first: a failed answer that is queued again meanwhile keeps its audio, or finds that it is gone.
    if (row.audio_state === 'stored') {
      const stillUnneeded = { _id: row._id, state: row.state, version: row.version, audio_state: 'stored' as const };
      // What the row feeds says where the audio is; the sweep has it shown.
      const set = { audio_state: 'deleting', projection_due: randomUUID() };
      if (!(await this.ledger.change(stillUnneeded, set, [], true))) return false;
    }
    await this.store.delete(file.id);
    await this.ledger.audioDeleted(row._id);
    return true;
  }
}
