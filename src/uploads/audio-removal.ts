import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { correlationId } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { AudioStore } from '../storage/audio-store.js';
import { LedgerNotes } from './ledger-notes.js';

const FLUSH_MS = 200;
const MOST = 50;

interface Removal {
  readonly rowId: mongo.ObjectId;
  readonly fileId: string;
  readonly correlationId: string | undefined;
}

/**
 * Deletes audio whose row says `deleting`, several files at once and in the background: no worker's place is taken by it.
 * What a crash or a failure leaves is found by the sweep, which looks for rows in that state.
 */
@Injectable()
export class AudioRemoval implements OnApplicationShutdown {
  private waiting: Removal[] = [];
  private timer: NodeJS.Timeout | null = null;
  private removing: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: AudioStore,
    private readonly notes: LedgerNotes,
    private readonly log: Log,
  ) {}

  /** The row's change to `deleting` must have been written. */
  remove(rowId: mongo.ObjectId, fileId: string): void {
    this.waiting.push({ rowId, fileId, correlationId: correlationId() });
    if (this.waiting.length >= MOST) void this.flush();
    else this.timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** Resolves when every removal so far is done, or left to the sweep. */
  async flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const batch = this.waiting.splice(0);
    this.removing = this.removing.then(() => this.removeAll(batch));
    await this.removing;
  }

  private async removeAll(batch: Removal[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      await this.store.deleteAll(batch.map(({ fileId }) => fileId));
    } catch (error) {
      this.log.pino.warn({ err: error, files: batch.length }, 'Audio not deleted yet, the sweep will do it');
      return;
    }
    for (const { rowId, fileId, correlationId: id } of batch) {
      this.notes.audioDeleted(rowId);
      this.log.pino.info(
        { upload_id: rowId.toHexString(), correlation_id: id },
        `Audio deleted from GridFS after transcription: ${fileId}`,
      );
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flush();
    await this.notes.flush();
  }
}
