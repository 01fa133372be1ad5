import type { StageName } from '../uploads/upload.schema.js';

/** Where a finding's bytes are, or should be: in the landing zone, or in the archive of kept audio. */
type Store = 'landing' | 'archive';

/** Stored bytes that no row of the ledger wants. */
export interface FileWithoutRecord {
  category: 'files_without_records';
  store: Store;
  /** In the archive its key. */
  file_id: string;
  /** `chunks`: bytes whose file document is missing. */
  kind: 'file' | 'chunks';
  /** `not_ours`: written by another service; `vivavoce adopt` looks at these, nothing else does. */
  reason: 'no_row' | 'row_closed' | 'not_ours' | 'no_file_document';
  upload_id: string | null;
  /** Bytes, null where only chunks are left. */
  size: number | null;
  uploaded_at: Date;
}

/** A row that waits for, or keeps, bytes that are not all there. Of archived audio `file_id` is its key in the archive. */
export interface RecordWithoutFile {
  category: 'records_without_files';
  /** Missing in plans of earlier builds. */
  store?: Store;
  upload_id: string;
  file_id: string;
  user_id: string;
  session_id: string;
  question_id: string;
  reason: 'no_file' | 'chunks_missing';
}

/** Stored bytes that are not the ones that came. */
export interface HashMismatch {
  category: 'hash_mismatches';
  /** Missing in plans of earlier builds. */
  store?: Store;
  upload_id: string;
  file_id: string;
  /** Lower-case hex. */
  expected_sha256: string;
  /** Lower-case hex; null when the bytes cannot be read to their end. */
  actual_sha256: string | null;
}

/** A row on which the sweep or a worker should have gone on long ago, or something that is to end and does not. */
export interface Stuck {
  category: 'stuck';
  /** Of kept audio the upload that stored it; null for the erasure of a session. */
  upload_id: string | null;
  /** With `session_id`, of a session whose erasure is not over; such a session reads as gone. */
  user_id?: string;
  session_id?: string;
  stage: StageName | null;
  reason:
    | 'upload_lease_expired'
    | 'link_missing'
    | 'projection_missing'
    | 'answer_missing'
    | 'audio_not_deleted'
    | 'kept_audio_not_released'
    | 'kept_audio_not_deleted'
    | 'erasure_unfinished'
    | 'stage_lease_expired'
    | 'stage_waiting';
  since: Date;
}

export type Finding = FileWithoutRecord | RecordWithoutFile | HashMismatch | Stuck;
export type Category = Finding['category'];

export const CATEGORIES: readonly Category[] = [
  'files_without_records',
  'records_without_files',
  'hash_mismatches',
  'stuck',
];
