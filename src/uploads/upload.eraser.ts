import { Injectable } from '@nestjs/common';
import { AudioStore } from '../storage/audio-store.js';
import { AudioKeeper } from './audio.keeper.js';
import { Ledger } from './ledger.js';
import type { Upload } from './upload.schema.js';

export interface Erased {
  answers: number;
  audio_files: number;
  /** Bytes. */
  audio_bytes: number;
  transcripts: number;
}

/** Takes rows and what hangs on them away for good, because their owner asked for it: no quarantine. */
@Injectable()
export class UploadEraser {
  private readonly further: ((userId: string, sessionId: string) => Promise<void>)[] = [];

  constructor(
    private readonly ledger: Ledger,
    private readonly store: AudioStore,
    private readonly keeper: AudioKeeper,
  ) {}

  /** Has `step` take away what else is known of a session. It must be safe to repeat. */
  also(step: (userId: string, sessionId: string) => Promise<void>): void {
    this.further.push(step);
  }

  /** Safe to repeat; counts what this run found. */
  async eraseSession(userId: string, sessionId: string): Promise<Erased> {
    const erased: Erased = { answers: 0, audio_files: 0, audio_bytes: 0, transcripts: 0 };
    // Rows that are still arriving stay: their request finds the session gone and closes them, or the sweep does.
    const filter = { user_id: userId, session_id: sessionId, state: { $ne: 'uploading' as const } };
    for await (const found of this.ledger.rows.find(filter, { batchSize: 50 })) {
      let row: Upload | null = found;
      // Again where its audio was archived meanwhile: that is to go with it.
      while (row && !(await this.eraseRow(row, erased))) row = await this.ledger.find(row._id);
    }
    for (const step of this.further) await step(userId, sessionId);
    return erased;
  }

  /** @returns false when the row refers to other kept audio by now: that is still there, and so is the row */
  private async eraseRow(row: Upload, erased: Erased): Promise<boolean> {
    const bytes = [
      // Also where the row says that they are deleted: recovery may hold them in quarantine.
      row.file_id !== null && (await this.store.delete(row.file_id.toHexString())),
      row.kept_id !== undefined && row.kept_state !== 'released' && (await this.keeper.release(row)),
    ];
    for (const deleted of bytes) {
      erased.audio_files += deleted ? 1 : 0;
      erased.audio_bytes += deleted ? (row.size ?? 0) : 0;
    }
    await this.ledger.deleteBeside([row._id]);
    // Last, so that a run that is cut short finds it again. A worker that holds a stage of it loses its token with it.
    const asSeen = { _id: row._id, kept_id: row.kept_id ?? { $exists: false } };
    const { deletedCount } = await this.ledger.rows.deleteOne(asSeen);
    if (deletedCount === 0 && (await this.ledger.rows.findOne({ _id: row._id }, { projection: { _id: 1 } })))
      return false;
    // Once more: a worker may have written between the two. Whoever writes from here on sees that the row is gone.
    await this.ledger.deleteBeside([row._id]);
    if (row.state !== 'failed' && row.state !== 'duplicate') erased.answers += 1;
    if (row.transcript) erased.transcripts += 1;
    return true;
  }
}
