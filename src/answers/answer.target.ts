import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { isTooLarge } from '../common/mongo-errors.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { sessionKey } from '../sessions/session.schema.js';
import { AudioStore } from '../storage/audio-store.js';
import { FailedUploads } from '../uploads/failed-uploads.js';
import { Ledger } from '../uploads/ledger.js';
import { UploadTarget, UploadTargets } from '../uploads/targets.js';
import type { Upload } from '../uploads/upload.schema.js';
import { answerFields, isLater, newAnswer, shorterFields, transcriptionStatus } from './answer.projection.js';
import { SESSION_FULL, SESSION_GONE } from '../uploads/ledger-errors.js';

/** Answers as what uploads feed: `answers.<question_id>` of a session, written only while it is fed by that row. */
@Injectable()
export class AnswerTarget extends UploadTarget {
  readonly kind = 'answer';

  constructor(
    private readonly sessions: SessionRepository,
    private readonly ledger: Ledger,
    private readonly failedUploads: FailedUploads,
    private readonly store: AudioStore,
    private readonly log: Log,
    targets: UploadTargets,
  ) {
    super();
    targets.register(this);
  }

  async project(row: Upload): Promise<void> {
    const status = transcriptionStatus(row);
    const shown = this.show(row);
    const annotated =
      row.file_id && row.audio_state === 'stored' && !row.stages.analysis
        ? this.store.annotate(row.file_id.toHexString(), { status })
        : null;
    await Promise.all([shown, annotated]);
  }

  /** All of it, or as much as the session has room for. */
  private async show(row: Upload): Promise<void> {
    const id = row._id.toHexString();
    const key = sessionKey(row.user_id, row.session_id);
    let full: unknown;
    for (const fields of [answerFields(row), ...shorterFields(row)]) {
      try {
        await this.sessions.projectAnswer(key, row.question_id, id, row.version, fields);
        if (full)
          this.log.pino.warn({ upload_id: id, session_id: row.session_id }, 'Answer shown in part: session full');
        return;
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        full = error;
      }
    }
    throw full;
  }

  async link(row: Upload): Promise<void> {
    const session = await this.sessions.find(row.user_id, row.session_id);
    if (!session) {
      await this.failedUploads.close(row, SESSION_GONE);
      return;
    }
    const id = row._id.toHexString();
    const current = session.answers[row.question_id];
    if (current && current.upload_id !== id) {
      if (isLater(current, row)) {
        await this.supersede(id, current.upload_id);
        return;
      }
      const { upload_id, sha256, source } = current;
      if (sha256 === row.sha256 && source === row.source && (await this.stands(upload_id))) {
        const { file_id, content_type = '', size = 0 } = row;
        const file = file_id && { file_id, content_type, size, sha256 };
        await this.ledger.closeAsDuplicate(row._id, upload_id, file);
        return;
      }
    }
    if (current?.upload_id !== id) {
      const linked = await this.sessions
        .replaceAnswer(session, newAnswer(row), current?.upload_id ?? null)
        .catch(async (error: unknown) => {
          if (!isTooLarge(error)) throw error;
          await this.failedUploads.close(row, SESSION_FULL);
          return false;
        });
      // Or somebody came in between: the next sweep looks again.
      if (!linked) return;
    }
    await this.supersedeOlder(row);
    await this.ledger.linked(row._id);
    this.log.pino.warn({ upload_id: id, session_id: row.session_id }, 'Link finished for a request that was cut short');
  }

  /** Whether a take may answer for another one with the same content: of one that failed, the audio may be gone. */
  private async stands(uploadId: string): Promise<boolean> {
    const row = await this.ledger.find(uploadId);
    return row?.state === 'committed' && row.stages.transcription?.state !== 'failed';
  }

  /**
   * The takes before this one end, whichever of them was still the current one when the request died. One that has become current since
   * then stays, whatever the clock of its process says.
   */
  private async supersedeOlder({ _id, user_id, session_id, question_id, kind, committed_at }: Upload): Promise<void> {
    const older = {
      user_id,
      session_id,
      question_id,
      kind,
      state: 'committed' as const,
      committed_at: { $lt: committed_at },
    };
    const current = await this.sessions.currentTake(user_id, session_id, question_id);
    for await (const row of this.ledger.rows.find(older, { projection: { _id: 1 } })) {
      const id = row._id.toHexString();
      if (id !== current) await this.supersede(id, _id.toHexString());
    }
  }

  /** The older take ends: its work is fenced now, its file deleted here or by the sweep. */
  async supersede(olderId: string, newerId: string): Promise<void> {
    const older = await this.ledger.supersede(olderId, newerId);
    if (!older) return;
    this.log.pino.info({ upload_id: olderId, superseded_by: newerId }, 'Take superseded');
    if (older.audio_state !== 'stored' || !older.file_id) return;
    const fileId = older.file_id.toHexString();
    this.store
      .delete(fileId)
      .then(() => this.ledger.audioDeleted(older._id))
      .catch((error: unknown) => this.log.pino.warn({ err: error, upload_id: olderId }, 'Old take not deleted yet'));
  }
}
