import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { NotFoundError } from '../common/app-error.js';
import { cursorId } from '../common/cursor.js';
import { Ledger } from './ledger.js';
import { stagePath } from './stage-path.js';
import type { StageState, Upload } from './upload.schema.js';
import { STAGES } from './upload.schema.js';
import type { ShownStatus, UploadCheckResult, UploadPage, UploadView } from './upload.view.js';
import { shownStatus, uploadView } from './upload.view.js';

export const SHOWN_STATUSES: readonly ShownStatus[] = [
  'uploading',
  'uploaded',
  'processing',
  'completed',
  'failed',
  'superseded',
  'duplicate',
];

/** Rows that one check names at most. */
const MOST_KNOWN = 1000;
const SHOWN_OF_KNOWN = { sha256: 1, session_id: 1, question_id: 1, state: 1, stages: 1 } as const;

/** What a user may see of the ledger: their own rows. */
@Injectable()
export class UploadsService {
  constructor(private readonly ledger: Ledger) {}

  /** @throws NotFoundError for an unknown upload or another user's */
  async get(userId: string, uploadId: string): Promise<UploadView> {
    const row = await this.ledger.findOwn(userId, uploadId);
    if (!row) throw new NotFoundError('Upload');
    return uploadView(row, await this.ledger.attemptsOf([row._id]));
  }

  /** Which of these bytes the user has here already; never another user's. */
  async check(userId: string, sha256: string[]): Promise<UploadCheckResult> {
    const unseen = new Set(sha256.map((hash) => hash.toLowerCase()));
    const rows = this.ledger.rows.find(
      {
        user_id: userId,
        sha256: { $in: [...unseen] },
        state: 'committed',
        source: 'audio',
        // Its owner was asked to send it again: sent again it is a new take.
        $nor: [{ [stagePath('transcription', 'state')]: 'failed', audio_state: { $ne: 'stored' } }],
      },
      { projection: SHOWN_OF_KNOWN, sort: { _id: -1 }, batchSize: 200 },
    );
    const known: UploadCheckResult['known'] = [];
    for await (const row of rows) {
      const hash = row.sha256 ?? '';
      // Room is left for each that was not met yet: however often some were sent, all that are here are known.
      if (!unseen.delete(hash) && known.length + unseen.size >= MOST_KNOWN) continue;
      known.push({
        sha256: hash,
        upload_id: row._id.toHexString(),
        session_id: row.session_id,
        question_id: row.question_id,
        status: shownStatus(row),
      });
      if (known.length >= MOST_KNOWN) break;
    }
    return { known, missing: [...unseen] };
  }

  async list(
    userId: string,
    query: { limit: number; cursor?: string; status?: ShownStatus; session_id?: string },
  ): Promise<UploadPage> {
    const { limit, status, session_id } = query;
    const rows = await this.ledger.list(
      { user_id: userId, ...(session_id ? { session_id } : {}), ...(status ? { shown: shownFilter(status) } : {}) },
      limit + 1,
      cursorId(query.cursor),
    );
    const page = rows.slice(0, limit);
    const attempts = await this.ledger.attemptsOf(page.map((row) => row._id));
    return {
      items: page.map((row) =>
        uploadView(
          row,
          attempts.filter((attempt) => attempt.upload_id.equals(row._id)),
        ),
      ),
      next_cursor: rows.length > limit ? (page.at(-1)?._id.toHexString() ?? null) : null,
    };
  }
}

/** `shownStatus` as a filter: the same words, in the same order of precedence. */
export function shownFilter(status: ShownStatus): mongo.Filter<Upload> {
  const some = (state: StageState) => STAGES.map((stage) => ({ [stagePath(stage, 'state')]: state }));
  const committed = { state: 'committed' as const };
  switch (status) {
    case 'uploaded':
      return {
        ...committed,
        $and: [{ $or: some('due') }, { $nor: [...some('failed'), ...some('processing'), ...some('done')] }],
      };
    case 'processing':
      return {
        ...committed,
        $nor: some('failed'),
        $or: [...some('processing'), { $and: [{ $or: some('due') }, { $or: some('done') }] }],
      };
    case 'completed':
      return { ...committed, $or: some('done'), $nor: [...some('failed'), ...some('processing'), ...some('due')] };
    case 'failed':
      return { $or: [{ state: 'failed' as const }, { ...committed, $or: some('failed') }] };
    default:
      return { state: status };
  }
}
