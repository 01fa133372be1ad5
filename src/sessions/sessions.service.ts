import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { cursorId } from '../common/cursor.js';
import { Log } from '../common/logging.js';
import { Idempotency } from '../idempotency/idempotency.js';
import { UploadEraser } from '../uploads/upload.eraser.js';
import { SessionRepository } from './session.repository.js';
import type { ErasingSession } from './session.repository.js';
import { sessionView } from './session.dto.js';
import type { CreateSession, ErasureReport, SessionPage, SessionView } from './session.dto.js';

@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly eraser: UploadEraser,
    idempotency: Idempotency,
    private readonly log: Log,
  ) {
    eraser.also((userId, sessionId) => idempotency.eraseSession(userId, sessionId));
  }

  /** @throws ConflictError when the user has a session of that id already */
  async create(userId: string, input: CreateSession): Promise<SessionView> {
    const now = new Date();
    const session = await this.sessions.insert({
      session_id: input.id ?? randomUUID(),
      user_id: userId,
      title: input.title ?? null,
      role: input.role ?? null,
      language: input.language ?? null,
      retain_audio: input.retain_audio ?? false,
      questions: input.questions.map(({ id, text, model_answer, weight }) => ({
        id,
        text,
        model_answer: model_answer || null,
        weight: weight ?? 1,
      })),
      answers: {},
      rev: 0,
      final_score: null,
      analyzed_at: null,
      created_at: now,
      updated_at: now,
    });
    this.log.pino.info({ session_id: session.session_id, questions: session.questions.length }, 'Session created');
    return sessionView(session);
  }

  async get(userId: string, sessionId: string): Promise<SessionView> {
    return sessionView(await this.sessions.get(userId, sessionId));
  }

  async list(userId: string, limit: number, cursor?: string): Promise<SessionPage> {
    const { sessions, more } = await this.sessions.list(userId, limit, cursorId(cursor));
    return {
      items: sessions.map(sessionView),
      next_cursor: more ? (sessions.at(-1)?._id.toHexString() ?? null) : null,
    };
  }

  /**
   * Erases a session: audio, transcripts, rows. It reads as gone at once; if the process dies, the sweep goes on with it.
   *
   * @throws NotFoundError
   */
  async erase(userId: string, sessionId: string): Promise<ErasureReport> {
    const session = await this.sessions.get(userId, sessionId);
    await this.sessions.beginErasure(userId, sessionId);
    return this.finishErasure(session);
  }

  async finishErasure(session: Omit<ErasingSession, 'erasing_since'>): Promise<ErasureReport> {
    const erased = await this.eraser.eraseSession(session.user_id, session.session_id);
    await this.sessions.remove(session);
    this.log.pino.info({ session_id: session.session_id, ...erased }, 'Session erased');
    return { session_id: session.session_id, erased: true, ...erased, documents: 0, erased_at: new Date() };
  }
}
