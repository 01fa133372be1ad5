import type { Upload, UploadKind } from '../uploads/upload.schema.js';

const EXTENSIONS: Record<string, string> = {
  'audio/webm': 'webm',
  'audio/ogg': 'ogg',
  'audio/wav': 'wav',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/flac': 'flac',
};
/** A key of S3 holds 1024 bytes; user ids are the only part that may be long. */
const LONGEST_PART = 200;

/** How the keys of each kind start: under them, after `S3_PREFIX`, all that is archived is found, and nothing of others in the bucket. */
const FOLDERS: Record<UploadKind, string> = { answer: 'answer/' };
export const ARCHIVE_FOLDERS: readonly string[] = Object.values(FOLDERS);

/** `kind/user/session/question/upload_id.ext`: whoever looks through the bucket finds one person's audio side by side. */
export function archiveKey(
  row: Pick<Upload, '_id' | 'kind' | 'user_id' | 'session_id' | 'question_id' | 'content_type'>,
): string {
  const folders = [row.user_id, row.session_id, row.question_id].map(keyPart).join('/');
  return `${FOLDERS[row.kind]}${folders}/${row._id.toHexString()}.${EXTENSIONS[row.content_type ?? ''] ?? 'bin'}`;
}

/** No part may mean another folder, here or in a gateway that keeps objects as files. */
function keyPart(text: string): string {
  return encodeURIComponent(text).replace(/^\./, '%2E').slice(0, LONGEST_PART);
}
