import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { Config } from '../config/config.js';
import { Archives } from '../storage/archives.js';
import { ArchiveWrites } from '../uploads/archive-writes.js';
import { AudioKeeper } from '../uploads/audio.keeper.js';
import type { KeptAudio } from '../uploads/kept-audio.schema.js';
import { Ledger } from '../uploads/ledger.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { FileWithoutRecord, Finding, HashMismatch, RecordWithoutFile } from './finding.js';
import type { Looked } from './verifier.js';

const BATCH = 200;
/** Never the transcript. */
const ROW_FIELDS = { user_id: 1, session_id: 1, question_id: 1 } as const;

type KeepingRow = Pick<Upload, '_id' | 'user_id' | 'session_id' | 'question_id'>;

/** An archived file that no kept audio names may be one that is being stored, or given up, just now. */
const YOUNG_MS = 3_600_000;

/** Compares what is kept with what is in the archive, one after the other, and changes nothing. */
@Injectable()
export class KeptAudioVerifier {
  constructor(
    private readonly keeper: AudioKeeper,
    private readonly writes: ArchiveWrites,
    private readonly ledger: Ledger,
    private readonly archives: Archives,
    private readonly config: Config,
  ) {}

  /**
   * @param deep reads and hashes what is archived, and looks for archived files that nothing names
   * @throws AppError `archive_away`
   */
  async *findings(deep: boolean, looked: Looked): AsyncGenerator<Finding> {
    const old = { updated_at: { $lt: new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000) } };
    for await (const audio of this.keeper.kept.find(old, { sort: { _id: 1 }, batchSize: BATCH })) {
      if (await this.isUnwanted(audio)) yield withoutRow(audio);
      if (audio.state === 'live') yield* this.wrongWith(audio, deep, looked);
    }
    if (deep) yield* this.unnamed();
  }

  private async *wrongWith(audio: KeptAudio, deep: boolean, looked: Looked): AsyncGenerator<Finding> {
    looked.files += 1;
    const actual = await this.examine(audio, deep, looked).catch((error: unknown) => {
      throw this.archives.translated(audio.store, error);
    });
    if (actual === audio.sha256 || !(await this.isStillLive(audio))) return;
    const kept = { kept_id: audio._id, kept_state: 'kept' as const };
    const rows = this.ledger.rows.find(kept, { projection: ROW_FIELDS, batchSize: BATCH });
    for await (const row of rows as AsyncIterable<KeepingRow>)
      yield actual === null ? withoutFile(row, audio) : altered(row, audio, actual);
  }

  /** Whoever gives a reference up deletes the audio after it: it must still be there. */
  private async isUnwanted({ _id }: KeptAudio): Promise<boolean> {
    if (await this.keeper.isReferredTo(_id)) return false;
    return (await this.keeper.kept.findOne({ _id, state: { $ne: 'deleting' } })) !== null;
  }

  /** The hash of what is archived; what it should be unless `deep`, where the size is right; null where nothing is. */
  private async examine(audio: KeptAudio, deep: boolean, looked: Looked): Promise<string | null> {
    const archive = this.archives.of(audio.store);
    const stat = audio.key === null ? null : await archive.stat(audio.key);
    if (!stat || audio.key === null) return null;
    if (!deep) return stat.size === audio.size ? audio.sha256 : '';
    const hash = createHash('sha256');
    for await (const bytes of archive.open(audio.key) as AsyncIterable<Buffer>) {
      hash.update(bytes);
      looked.hashed_bytes += bytes.length;
    }
    return hash.digest('hex');
  }

  private async isStillLive({ _id, key }: KeptAudio): Promise<boolean> {
    return (await this.keeper.kept.findOne({ _id, key, state: 'live' })) !== null;
  }

  private async *unnamed(): AsyncGenerator<FileWithoutRecord> {
    const files = this.archives.of(this.archives.name).listOlderThan(new Date(Date.now() - YOUNG_MS));
    for await (const { id, size, uploadedAt, metadata } of files) {
      if ((await this.keeper.names(id)) || (await this.writes.knows(id))) continue;
      const uploadId = metadata['upload_id'];
      const isOurs = typeof uploadId === 'string' && mongo.ObjectId.isValid(uploadId);
      yield {
        category: 'files_without_records',
        store: 'archive',
        file_id: id,
        kind: 'file',
        reason: isOurs ? 'no_row' : 'not_ours',
        upload_id: isOurs ? uploadId : null,
        size,
        uploaded_at: uploadedAt,
      };
    }
  }
}

function withoutRow({ _id, key, by, size, created_at }: KeptAudio): FileWithoutRecord {
  return {
    category: 'files_without_records',
    store: 'archive',
    file_id: key ?? _id.toHexString(),
    kind: 'file',
    reason: 'no_row',
    upload_id: by.toHexString(),
    size,
    uploaded_at: created_at,
  };
}

function withoutFile({ _id, user_id, session_id, question_id }: KeepingRow, { key }: KeptAudio): RecordWithoutFile {
  const upload_id = _id.toHexString();
  const file_id = key ?? '';
  return { category: 'records_without_files', upload_id, file_id, user_id, session_id, question_id, reason: 'no_file' };
}

function altered({ _id }: KeepingRow, { key, sha256 }: KeptAudio, actual: string): HashMismatch {
  return {
    category: 'hash_mismatches',
    upload_id: _id.toHexString(),
    file_id: key ?? '',
    expected_sha256: sha256,
    actual_sha256: actual || null,
  };
}
