import { Injectable } from '@nestjs/common';
import { ConflictError, NotFoundError } from '../common/app-error.js';
import { isTooLarge } from '../common/mongo-errors.js';
import { Dispatcher } from '../queue/dispatcher.js';
import { StageRestart } from '../queue/stage-restart.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { AskedSession } from '../sessions/session.repository.js';
import type { Answer, TranscriptionStatus } from '../sessions/session.schema.js';
import { ANSWER_THERE, SESSION_FULL, SESSION_GONE } from '../uploads/ledger-errors.js';
import { LedgerNotes } from '../uploads/ledger-notes.js';
import { Ledger } from '../uploads/ledger.js';
import type { StageError, StageName, Upload } from '../uploads/upload.schema.js';
import { isLater, newAnswer } from './answer.projection.js';
import { AnswerTarget } from './answer.target.js';

/** Content that wants to become the current take of its question. */
export interface Take {
  readonly questionId: string;
  readonly source: Answer['source'];
  /** Lower-case hex. */
  readonly sha256: string;
  /** Null where none was named with it. */
  readonly language: string | null;
  readonly firstStage: StageName;
  /** Makes it count; from here on it is never lost. Returns the row. */
  commit(): Promise<Upload>;
  /** The question's current take has the same content: this one is given up. */
  repeats(uploadId: string): Promise<void>;
  /** It cannot count, for this reason. */
  giveUp(reason: StageError): Promise<void>;
  /** Is to replace none but a failed one. */
  standsBack?: boolean;
}

export interface Accepted {
  uploadId: string;
  fileId: string | null;
  status: TranscriptionStatus;
  /** The same content was there already. */
  duplicate: boolean;
}

/**
 * Decides which take of a question is current. The session document is where racing takes meet: each replaces exactly the take
 * it saw, or looks again.
 */
@Injectable()
export class Takes {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly ledger: Ledger,
    private readonly notes: LedgerNotes,
    private readonly restarts: StageRestart,
    private readonly target: AnswerTarget,
    private readonly dispatcher: Dispatcher,
  ) {}

  /**
   * @throws NotFoundError when the session was erased meanwhile
   * @throws ConflictError when the take stands back, or the session can hold no more
   */
  async accept(seen: AskedSession, take: Take): Promise<Accepted> {
    let session = seen;
    // It was read before the body came: by now another take may have come, or this one failed.
    if (isRepeated(take, seen)) session = await this.latest(seen, take);
    let row: Upload | null = null;
    for (;;) {
      const current = session.answers[take.questionId];
      if (current && isRepeated(take, session)) {
        const status = await this.again(current, take.language);
        if (status) {
          await take.repeats(current.upload_id);
          return { uploadId: current.upload_id, fileId: current.file_id, status, duplicate: true };
        }
      }
      if (take.standsBack && current && current.transcription_status !== 'failed') {
        return this.refuse(take, ANSWER_THERE);
      }
      row ??= await take.commit();
      const uploadId = row._id.toHexString();
      const answer = newAnswer(row);
      const status = take.standsBack ? current?.transcription_status : undefined;
      const replaced = await this.sessions
        .replaceAnswer(session, answer, current?.upload_id ?? null, status)
        .catch((error: unknown) => {
          if (isTooLarge(error)) return this.refuse(take, SESSION_FULL);
          throw error;
        });
      if (replaced) {
        // First, as the first claim takes the mark away by which the sweep would finish this.
        if (current) await this.target.supersede(current.upload_id, uploadId);
        this.dispatcher.dispatch(row, take.firstStage);
        this.notes.linked(row._id);
        return { uploadId, fileId: answer.file_id, status: answer.transcription_status, duplicate: false };
      }
      const now = await this.latest(session, take);
      const other = now.answers[take.questionId];
      // The sweep may have finished the link for us, had we been that slow.
      if (other?.upload_id === uploadId) {
        return { uploadId, fileId: answer.file_id, status: answer.transcription_status, duplicate: false };
      }
      // Or a later take came while this request was held up. Were each put over the other, both would be superseded. One that stands
      // back does so when it looks again.
      if (other && !take.standsBack && isLater(other, row)) await this.target.supersede(uploadId, other.upload_id);
      if ((await this.ledger.find(row._id))?.state !== 'committed') {
        const status = other?.transcription_status ?? 'queued';
        return { uploadId, fileId: answer.file_id, status, duplicate: false };
      }
      session = now;
    }
  }

  private async latest({ user_id, session_id }: AskedSession, take: Take): Promise<AskedSession> {
    try {
      return await this.sessions.about(user_id, session_id, take.questionId);
    } catch (error) {
      if (error instanceof NotFoundError) await take.giveUp(SESSION_GONE);
      throw error;
    }
  }

  private async refuse(take: Take, reason: StageError): Promise<never> {
    await take.giveUp(reason);
    throw new ConflictError(reason.code, reason.message);
  }

  /** The same content came again: what failed of its take is queued again. Null when it cannot be, since its audio is gone. */
  private async again(current: Answer, language: string | null): Promise<TranscriptionStatus | null> {
    const { transcription_status, analysis_status } = current;
    if (transcription_status !== 'failed' && analysis_status !== 'failed') return transcription_status;
    const row = await this.ledger.find(current.upload_id);
    if (transcription_status !== 'failed') {
      if (row?.state === 'committed') await this.restarts.restart(row, 'analysis');
      return transcription_status;
    }
    if (!row || row.state !== 'committed' || row.audio_state !== 'stored') return null;
    if (await this.restarts.restart({ ...row, language: language ?? row.language }, 'transcription')) return 'queued';
    // Somebody else queued it, or its audio has just expired.
    const now = await this.ledger.find(row._id);
    return now && now.stages.transcription?.state !== 'failed' ? 'queued' : null;
  }
}

function isRepeated({ questionId, sha256, source }: Take, { answers }: AskedSession): boolean {
  const current = answers[questionId];
  return current?.sha256 === sha256 && current.source === source;
}
