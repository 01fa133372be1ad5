import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { NotFoundError } from '../common/app-error.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { SessionHead } from '../sessions/session.repository.js';
import type { Answer, InterviewSession } from '../sessions/session.schema.js';
import type { QuestionStatus, SessionStatus } from './answer.dto.js';

/** Statuses that are kept, in characters of JSON. */
const KEPT_CHARACTERS = 16 * 2 ** 20;

/** A session's status as JSON, and its ETag, which changes with anything in the session. */
export interface StatusText {
  readonly etag: string;
  readonly json: string;
}

/**
 * How far answers are. The most frequent question of all: one small read, which polls of the same moment share, tells whether
 * the session has changed since it was last asked about; only then its answers are read.
 */
@Injectable()
export class StatusService {
  private readonly known = new LRUCache<string, StatusText>({
    maxSize: KEPT_CHARACTERS,
    sizeCalculation: ({ json }) => json.length,
  });

  constructor(private readonly sessions: SessionRepository) {}

  /** @throws NotFoundError for a session or answer that is not there */
  async ofQuestion(userId: string, sessionId: string, questionId: string): Promise<QuestionStatus> {
    const { answers } = await this.sessions.about(userId, sessionId, questionId);
    const answer = answers[questionId];
    if (!answer) throw new NotFoundError('Answer');
    return questionStatus(answer);
  }

  /** @throws NotFoundError for a session that is not there */
  async ofSession(userId: string, sessionId: string): Promise<StatusText> {
    const head = await this.sessions.head(userId, sessionId);
    const known = this.known.get(head.key);
    if (known?.etag === etagOf(head)) return known;
    const session = await this.sessions.get(userId, sessionId);
    const status = { etag: etagOf(session), json: JSON.stringify(sessionStatus(session)) };
    this.known.set(session.key, status);
    return status;
  }
}

const etagOf = ({ _id, rev }: Pick<SessionHead, '_id' | 'rev'>): string => `"${_id.toHexString()}-${rev}"`;

function questionStatus(answer: Answer): QuestionStatus {
  const status: QuestionStatus = {
    status: answer.transcription_status,
    question_id: answer.question_id,
    transcript: answer.transcript,
  };
  if (answer.transcription_error) status.error = answer.transcription_error;
  return status;
}

function sessionStatus(session: InterviewSession): SessionStatus {
  const summary = { total: 0, completed: 0, processing: 0, queued: 0, failed: 0 };
  const questions: Record<string, QuestionStatus> = {};
  for (const [id, answer] of Object.entries(session.answers)) {
    summary.total += 1;
    summary[answer.transcription_status] += 1;
    questions[id] = questionStatus(answer);
  }
  return { session_id: session.session_id, summary, questions };
}
