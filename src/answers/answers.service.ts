import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { mongo } from 'mongoose';
import { AppError, ConflictError, NotFoundError, ValidationError } from '../common/app-error.js';
import { correlationId } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { Idempotency, otherContent } from '../idempotency/idempotency.js';
import type { Beginning } from '../idempotency/idempotency.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { AskedSession } from '../sessions/session.repository.js';
import { MOST_QUESTIONS } from '../sessions/session.schema.js';
import { FailedUploads } from '../uploads/failed-uploads.js';
import { Intake } from '../uploads/intake.js';
import type { Incoming, Staged } from '../uploads/intake.js';
import { Ledger } from '../uploads/ledger.js';
import { AudioForm } from '../uploads/multipart.js';
import type { Upload } from '../uploads/upload.schema.js';
import { dueStage } from '../uploads/upload.schema.js';
import type { TextAnswerAccepted, UploadAccepted } from './answer.dto.js';
import { digestIssue, formLanguage } from './upload-fields.js';
import { Takes } from './takes.js';

/** Takes answers in: spoken ones through the intake, written ones straight into the ledger. */
@Injectable()
export class AnswersService {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly form: AudioForm,
    private readonly intake: Intake,
    private readonly ledger: Ledger,
    private readonly failedUploads: FailedUploads,
    private readonly takes: Takes,
    private readonly idempotency: Idempotency,
    private readonly log: Log,
  ) {}

  /**
   * Receives one spoken answer. When this resolves, bytes and row survive the death of any process.
   *
   * @throws NotFoundError for a session or question that is not there, before a byte of the body is read
   * @throws ValidationError, AppError as `AudioForm.receive`; ValidationError when a digest does not match
   */
  async uploadAudio(
    userId: string,
    sessionId: string,
    questionId: string,
    request: Request,
    response: Response,
  ): Promise<UploadAccepted> {
    const session = await this.open(userId, sessionId, questionId);
    const key = request.header('idempotency-key');
    const route = `POST /api/upload-answer/${sessionId}/${questionId}`;
    const beginning = key === undefined ? null : await this.idempotency.begin({ userId, route, key });
    const { claim } = beginning ?? {};
    const done = claim && this.idempotency.keep(claim);
    try {
      const received = await this.form.receive(request, response, incoming(session, questionId));
      const { staged } = received;
      const accepted = await this.take(session, staged, received.fields, request, beginning);
      const content = contentOf(staged, received.fields['language']);
      if (claim) await this.idempotency.complete(claim, content, { status: 200, body: accepted }, sessionId);
      else if (accepted === beginning?.earlier?.body) response.setHeader('Idempotency-Replayed', 'true');
      return accepted;
    } catch (error) {
      if (claim) await this.idempotency.release(claim).catch(() => undefined);
      throw error;
    } finally {
      done?.();
    }
  }

  private async take(
    session: AskedSession,
    staged: Staged,
    fields: Record<string, unknown>,
    request: Request,
    beginning: Beginning | null,
  ): Promise<UploadAccepted> {
    const language = await this.check(staged, fields, request);
    if (beginning?.earlier) {
      if (beginning.earlier.fingerprint !== contentOf(staged, language)) {
        await this.intake.discard(staged, { code: 'idempotency_key_reused', message: otherContent().message });
        throw otherContent();
      }
      const first = beginning.earlier.body as UploadAccepted;
      // Or it was erased since: then nothing would be kept of an answer that is said to be.
      if (await this.ledger.find(first.upload_id)) {
        await this.intake.closeAsDuplicate(staged, first.upload_id);
        return first;
      }
    }
    return this.accept(session, staged, language);
  }

  /**
   * Takes a file that came by another way than a request, such as a folder that an older system left, on the same way in. It
   * replaces none but a failed answer.
   *
   * @throws ValidationError, AppError as `Intake.stage`; NotFoundError when the session was erased meanwhile
   * @throws ConflictError `answer_there` when the question has another answer by then; no bytes are kept
   */
  async takeFile(
    session: AskedSession,
    questionId: string,
    file: { name: string; bytes: AsyncIterable<Buffer>; maxBytes: number },
  ): Promise<UploadAccepted> {
    const upload = { ...incoming(session, questionId), file_name: file.name };
    const staged = await this.intake.stage(file.bytes, upload, file.maxBytes);
    // Hashed and stored, it may have taken minutes.
    const now = (await this.sessions.find(session.user_id, session.session_id)) ?? session;
    return this.accept(now, staged, null, true);
  }

  private async accept(
    session: AskedSession,
    staged: Staged,
    named: string | null,
    standsBack = false,
  ): Promise<UploadAccepted> {
    const spoken = named ?? session.language;
    const accepted = await this.takes.accept(session, {
      questionId: staged.upload.question_id,
      source: 'audio',
      sha256: staged.sha256,
      language: named,
      firstStage: 'transcription',
      commit: async () => {
        return committedRow(staged, spoken, await this.intake.commit(staged, spoken));
      },
      repeats: (uploadId) => this.intake.closeAsDuplicate(staged, uploadId),
      giveUp: (reason) => this.intake.discard(staged, reason),
      standsBack,
    });
    this.log.pino.info(
      {
        upload_id: accepted.uploadId,
        session_id: session.session_id,
        question_id: staged.upload.question_id,
        size: staged.size,
        content_type: staged.content_type,
        duplicate: accepted.duplicate,
      },
      'Audio uploaded',
    );
    return {
      status: 'processing',
      message: 'Audio uploaded successfully, transcription in progress',
      file_id: accepted.fileId ?? '',
      transcription_status: accepted.status,
      upload_id: accepted.uploadId,
      sha256: staged.sha256,
      size: staged.size,
      duplicate: accepted.duplicate,
    };
  }

  /** The form's small fields; what is wrong with them gives up the staged bytes. */
  private async check(staged: Staged, fields: Record<string, unknown>, request: Request): Promise<string | null> {
    try {
      const issue = digestIssue(fields['sha256'], request.header('repr-digest'), staged.sha256);
      if (issue) throw new ValidationError([issue]);
      return formLanguage(fields['language']);
    } catch (error) {
      if (error instanceof AppError) await this.intake.discard(staged, { code: error.code, message: error.message });
      throw error;
    }
  }

  /** A written answer: nothing to transcribe, scored without the delivery criterion. */
  async writeText(userId: string, sessionId: string, questionId: string, text: string): Promise<TextAnswerAccepted> {
    const session = await this.open(userId, sessionId, questionId);
    const id = new mongo.ObjectId();
    const sha256 = createHash('sha256').update(text).digest('hex');
    await this.takes.accept(session, {
      questionId,
      source: 'text',
      sha256,
      language: null,
      firstStage: 'analysis',
      commit: async () => {
        await this.ledger.insertText({ _id: id, ...incoming(session, questionId) }, text, sha256);
        const row = await this.ledger.find(id);
        if (!row) throw new Error('The row that was just written is not there');
        return row;
      },
      repeats: async (uploadId) => {
        await this.ledger.closeAsDuplicate(id, uploadId, null);
      },
      giveUp: async (reason) => {
        await this.failedUploads.close({ _id: id, kind: 'answer' }, reason);
      },
    });
    this.log.pino.info({ upload_id: id.toHexString(), session_id: sessionId, question_id: questionId }, 'Text answer');
    return { status: 'completed', question_id: questionId, transcription_status: 'completed', source: 'text' };
  }

  private async open(userId: string, sessionId: string, questionId: string): Promise<AskedSession> {
    const session = await this.sessions.about(userId, sessionId, questionId);
    const listed = session.questions.length === 0 || session.questions.some(({ id }) => id === questionId);
    if (!listed) throw new NotFoundError('Question');
    if (!session.answers[questionId] && (session.answered ?? 0) >= MOST_QUESTIONS)
      throw new ConflictError(
        'session_full',
        `The session has answers to ${MOST_QUESTIONS} questions and takes no more`,
      );
    return session;
  }
}

/** What an `Idempotency-Key` stands for: the bytes, and the language that was named with them. */
function contentOf({ sha256 }: Staged, language: unknown): string {
  return typeof language === 'string' && language ? `${sha256} ${language}` : sha256;
}

function incoming(session: AskedSession, questionId: string): Incoming {
  return {
    kind: 'answer',
    user_id: session.user_id,
    session_id: session.session_id,
    question_id: questionId,
    language: session.language,
    retain_audio: session.retain_audio,
    correlation_id: correlationId() ?? null,
    file_name: null,
  };
}

/** The row as `Intake.commit` left it, without reading it again. */
function committedRow(staged: Staged, language: string | null, now: Date): Upload {
  return {
    ...staged.upload,
    _id: staged.id,
    state: 'committed',
    source: 'audio',
    file_id: staged.file_id,
    audio_state: 'stored',
    content_type: staged.content_type,
    size: staged.size,
    sha256: staged.sha256,
    language,
    created_at: now,
    updated_at: now,
    committed_at: now,
    error: null,
    version: 0,
    stages: { transcription: dueStage(now) },
  };
}
