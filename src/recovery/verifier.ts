import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Config } from '../config/config.js';
import { hashOf } from '../storage/audio-hash.js';
import { AudioStore } from '../storage/audio-store.js';
import type { FileWithoutRecord, Finding, HashMismatch, RecordWithoutFile } from './finding.js';
import { Inventory, isWhole, uploadIdOf } from './inventory.js';
import type { Holding, HoldingRow } from './inventory.js';
import { KeptAudioVerifier } from './kept-audio.verifier.js';
import { LinkVerifier } from './link.verifier.js';
import { SecondLook } from './second-look.js';
import { StuckRows } from './stuck-rows.js';

/** How much was looked at. */
export interface Looked {
  files: number;
  records: number;
  /** Bytes that were read and hashed; 0 unless `deep`. */
  hashed_bytes: number;
}

type Judgement = FileWithoutRecord | RecordWithoutFile[] | null;

/**
 * Compares ledger and stored bytes, and changes nothing. Right while uploads are running: what is younger than
 * `DISPATCH_GRACE_S` is left out, and what looks wrong is looked at again after that time.
 */
@Injectable()
export class Verifier {
  readonly graceMs: number;

  constructor(
    private readonly inventory: Inventory,
    private readonly stuck: StuckRows,
    private readonly keptAudio: KeptAudioVerifier,
    private readonly links: LinkVerifier,
    private readonly store: AudioStore,
    private readonly config: Config,
  ) {
    this.graceMs = config.DISPATCH_GRACE_S * 1000;
  }

  /**
   * @param options `deep` reads and hashes every stored file
   * @param looked counted up on the way
   */
  async *findings(options: { deep: boolean }, looked: Looked): AsyncGenerator<Finding> {
    yield* this.landingZone(options, looked);
    yield* this.stuck.find(this.graceMs);
    yield* this.links.find();
    // Last, since S3 may be away.
    yield* this.keptAudio.findings(options.deep, looked);
  }

  /** Rows without bytes and bytes without rows, where all audio arrives. */
  async *landingZone(options: { deep: boolean }, looked: Looked): AsyncGenerator<Finding> {
    const again = new SecondLook<{ id: mongo.ObjectId; altered: boolean }, Finding[]>(
      this.graceMs,
      async ({ id, altered }) => (altered ? this.mismatches(await this.inventory.look(id), looked) : this.confirm(id)),
    );
    for await (const holding of this.inventory.all(options.deep)) {
      if (holding.file) looked.files += 1;
      looked.records += holding.rows.length;
      const wrong = this.judge(holding) !== null;
      const altered = !wrong && options.deep && (await this.mismatches(holding, looked)).length > 0;
      if (!wrong && !altered) continue;
      for await (const confirmed of again.add({ id: holding.id, altered })) yield* confirmed;
    }
    for await (const confirmed of again.rest()) yield* confirmed;
  }

  /** What is wrong with this file id now, without a grace: for who waited already. */
  async confirm(id: mongo.ObjectId): Promise<Finding[] | null> {
    const holding = await this.inventory.look(id);
    const judgement = this.judge(holding);
    if (judgement === null || Array.isArray(judgement)) return judgement;
    if (judgement.reason === 'no_row' && holding.file && (await this.inventory.rowOf(holding.file)))
      return [{ ...judgement, reason: 'row_closed' }];
    return [judgement];
  }

  /** Whether a row's stored bytes are all there and yet not the ones that came. */
  async isAltered(id: mongo.ObjectId, uploadId: string): Promise<boolean> {
    const looked: Looked = { files: 0, records: 0, hashed_bytes: 0 };
    const found = await this.mismatches(await this.inventory.look(id), looked);
    return found.some(({ upload_id }) => upload_id === uploadId);
  }

  private judge(holding: Holding): Judgement {
    const { file, chunks, rows } = holding;
    const wanted = rows.filter(isWanting);
    if (wanted.length > 0) {
      if (isWhole(holding)) return null;
      const missing = wanted.filter((row) => row.state === 'committed' && this.isOld(row.updated_at));
      return missing.length > 0 ? missing.map((row) => withoutFile(row, holding)) : null;
    }
    if (rows.some((row) => row.audio_state === 'deleting')) return null;
    if (file) return this.isOld(file.uploadDate) ? withoutRecord(holding) : null;
    if (chunks === 0) return null;
    // Other services write a file's document last: such bytes may belong to an upload of theirs that is under way.
    const mayBeArriving = holding.id.getTimestamp().getTime() > Date.now() - this.config.UPLOAD_TIMEOUT_S * 1000;
    return mayBeArriving ? null : withoutRecord(holding);
  }

  private async mismatches(holding: Holding, looked: Looked): Promise<HashMismatch[]> {
    const rows = holding.rows.filter((row) => isWanting(row) && row.state === 'committed' && row.sha256);
    if (rows.length === 0 || !isWhole(holding)) return [];
    const file_id = holding.id.toHexString();
    const actual_sha256 = await hashOf(this.store, file_id, (count) => (looked.hashed_bytes += count));
    return rows
      .filter((row) => row.sha256 !== actual_sha256)
      .map(({ _id, sha256 = '' }) => ({
        category: 'hash_mismatches',
        store: 'landing',
        upload_id: _id.toHexString(),
        file_id,
        expected_sha256: sha256,
        actual_sha256,
      }));
  }

  private isOld(at: Date): boolean {
    return at.getTime() < Date.now() - this.graceMs;
  }
}

function isWanting(row: HoldingRow): boolean {
  return row.audio_state === 'stored' && (row.state === 'committed' || row.state === 'uploading');
}

function withoutFile(row: HoldingRow, { id, file }: Holding): RecordWithoutFile {
  const { user_id, session_id, question_id } = row;
  const reason = file ? 'chunks_missing' : 'no_file';
  const upload_id = row._id.toHexString();
  return {
    category: 'records_without_files',
    store: 'landing',
    upload_id,
    file_id: id.toHexString(),
    user_id,
    session_id,
    question_id,
    reason,
  };
}

function withoutRecord({ id, file }: Holding): FileWithoutRecord {
  const uploadId = file && uploadIdOf(file);
  return {
    category: 'files_without_records',
    store: 'landing',
    file_id: id.toHexString(),
    kind: file ? 'file' : 'chunks',
    reason: file ? (uploadId ? 'no_row' : 'not_ours') : 'no_file_document',
    upload_id: uploadId,
    size: file?.length ?? null,
    uploaded_at: file?.uploadDate ?? id.getTimestamp(),
  };
}
