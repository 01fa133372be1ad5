import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { ARCHIVE_FOLDERS } from '../archive/archive-key.js';
import { Config } from '../config/config.js';
import { Archives } from '../storage/archives.js';
import { hashOf } from '../storage/audio-hash.js';
import type { StoredAudio } from '../storage/audio-store.js';
import { ArchiveWrites } from '../uploads/archive-writes.js';
import { AudioKeeper } from '../uploads/audio.keeper.js';
import type { KeptAudio } from '../uploads/kept-audio.schema.js';
import { Ledger } from '../uploads/ledger.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { FileWithoutRecord, Finding, HashMismatch, RecordWithoutFile } from './finding.js';
import { BATCH_TO_READ } from './inventory.js';
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
    const old = new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000);
    const batchSize = deep ? BATCH_TO_READ : BATCH;
    for await (const audio of this.keeper.kept.find({}, { sort: { _id: 1 }, batchSize })) {
      const isOld = audio.updated_at < old;
      if (isOld && (await this.isUnwanted(audio))) yield withoutRow(audio);
      if (isOld && audio.state === 'live') yield* this.wrongWith(audio, deep, looked);
      // However young: each attempt to store it anew, and there may be many, makes it so.
      if (audio.state === 'storing') yield* this.lost(audio);
    }
    if (deep) yield* this.unnamed();
  }

  private async *wrongWith(audio: KeptAudio, deep: boolean, looked: Looked): AsyncGenerator<Finding> {
    looked.files += 1;
    const actual = await this.examine(audio, deep, looked).catch((error: unknown) => {
      throw this.archives.translated(audio.store, error);
    });
    if (actual === audio.sha256 || !(await this.isStill(audio))) return;
    for await (const row of this.keeping(audio))
      yield actual === null ? withoutFile(row, audio) : altered(row, audio, actual);
  }

  /** A row keeps what is stored and was checked: where that is being stored again, its bytes were found to be gone. */
  private async *lost(audio: KeptAudio): AsyncGenerator<RecordWithoutFile> {
    // Looked at again after the row: it may be kept since the storing ended well.
    for await (const row of this.keeping(audio)) if (await this.isStill(audio)) yield withoutFile(row, audio);
  }

  private keeping({ _id }: KeptAudio): AsyncIterable<KeepingRow> {
    const kept = { kept_id: _id, kept_state: 'kept' as const };
    return this.ledger.rows.find(kept, { projection: ROW_FIELDS, batchSize: BATCH });
  }

  /** Whoever gives a reference up deletes the audio after it: it must still be there. */
  private async isUnwanted({ _id }: KeptAudio): Promise<boolean> {
    if (await this.keeper.isReferredTo(_id)) return false;
    return (await this.keeper.kept.findOne({ _id, state: { $ne: 'deleting' } })) !== null;
  }

  /**
   * The hash of what is archived; '' where that cannot be read, null where nothing is. Unless `deep`, what it should be where the
   * size is right.
   */
  private async examine(
    { store, key, size, sha256 }: KeptAudio,
    deep: boolean,
    looked: Looked,
  ): Promise<string | null> {
    const archive = this.archives.of(store);
    const stat = key === null ? null : await archive.stat(key);
    if (!stat || key === null) return null;
    if (!deep) return stat.size === size ? sha256 : '';
    const read = () => hashOf(archive, key, (count) => (looked.hashed_bytes += count));
    // One connection that breaks in the middle of a file must not end hours of reading.
    return (await read().catch(read)) ?? '';
  }

  private async isStill({ _id, key, state }: KeptAudio): Promise<boolean> {
    return (await this.keeper.kept.findOne({ _id, key, state })) !== null;
  }

  private async *unnamed(): AsyncGenerator<FileWithoutRecord> {
    const { name } = this.archives;
    // The rest of an S3 bucket is somebody else's.
    for (const under of name === 's3' ? ARCHIVE_FOLDERS : ['']) yield* this.unnamedUnder(under);
  }

  private async *archived(under: string): AsyncGenerator<StoredAudio> {
    const { name } = this.archives;
    try {
      yield* this.archives.of(name).listOlderThan(new Date(Date.now() - YOUNG_MS), under);
    } catch (error) {
      throw this.archives.translated(name, error);
    }
  }

  private async *unnamedUnder(under: string): AsyncGenerator<FileWithoutRecord> {
    for await (const { id, size, uploadedAt, metadata } of this.archived(under)) {
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
  return {
    category: 'records_without_files',
    store: 'archive',
    upload_id: _id.toHexString(),
    file_id: key ?? '',
    user_id,
    session_id,
    question_id,
    reason: 'no_file',
  };
}

function altered({ _id }: KeepingRow, { key, sha256 }: KeptAudio, actual: string): HashMismatch {
  return {
    category: 'hash_mismatches',
    store: 'archive',
    upload_id: _id.toHexString(),
    file_id: key ?? '',
    expected_sha256: sha256,
    actual_sha256: actual || null,
  };
}
