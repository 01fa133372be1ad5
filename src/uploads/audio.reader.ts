import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { NotFoundError } from '../common/app-error.js';
import { Archives } from '../storage/archives.js';
import { AudioStore } from '../storage/audio-store.js';
import { AudioKeeper } from './audio.keeper.js';
import type { ArchiveName } from './kept-audio.schema.js';
import { Ledger } from './ledger.js';

/** Audio that its owner may hear again. */
export interface ReadableAudio {
  fileName: string;
  /** Media type. */
  contentType: string;
  /** Bytes. */
  size: number;
  /** Lower-case hex. */
  sha256: string;
  /** Bytes from `start` to `end` (exclusive). */
  open(range?: { start: number; end: number }): Readable;
}

/** Finds an upload's audio wherever it is by now: in the landing zone, or in the archive. */
@Injectable()
export class AudioReader {
  constructor(
    private readonly ledger: Ledger,
    private readonly keeper: AudioKeeper,
    private readonly archives: Archives,
    private readonly store: AudioStore,
  ) {}

  /** @throws NotFoundError for an unknown upload, another user's, and one whose audio is gone */
  async find(userId: string, uploadId: string): Promise<ReadableAudio> {
    const row = await this.ledger.findOwn(userId, uploadId);
    if (row?.state !== 'committed' || row.source !== 'audio') throw new NotFoundError('Audio');
    const about = {
      fileName: row.file_name ?? `${row.session_id}_${row.question_id}`,
      contentType: row.content_type ?? 'application/octet-stream',
      size: row.size ?? 0,
      sha256: row.sha256 ?? '',
    };
    const kept = await this.keeper.of(row);
    if (kept?.key) {
      const { store, key } = kept;
      return { ...about, open: (range) => Readable.from(this.archived(store, key, range), { objectMode: false }) };
    }
    const fileId = row.audio_state === 'stored' ? row.file_id?.toHexString() : undefined;
    if (fileId === undefined) throw new NotFoundError('Audio');
    return { ...about, open: (range) => this.store.open(fileId, range) };
  }

  /** @throws AppError `archive_away`; NotFoundError where somebody has deleted it without telling */
  private async *archived(
    store: ArchiveName,
    key: string,
    range?: { start: number; end: number },
  ): AsyncGenerator<Buffer> {
    try {
      yield* this.archives.of(store).open(key, range) as AsyncIterable<Buffer>;
    } catch (error) {
      throw this.archives.translated(store, error);
    }
  }
}
