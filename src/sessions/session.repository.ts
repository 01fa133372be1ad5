import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import DataLoader from 'dataloader';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { AppError, ConflictError, NotFoundError } from '../common/app-error.js';
import { correlationId } from '../common/correlation.js';
import { GroupCommit } from '../common/group-commit.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { Outbox } from '../events/outbox.js';
import { owing } from '../events/owed.js';
import { sessionKey } from './session.schema.js';
import type { Answer, InterviewSession, Question, TranscriptionStatus } from './session.schema.js';

/** What tells whether a session has changed: `rev` counts every change of one `_id`. */
export type SessionHead = Pick<InterviewSession, '_id' | 'key' | 'rev' | 'erasing_since'>;

/** A session with the answer to one question alone: what a long interview's other transcripts weigh, nobody need carry. */
export type AskedSession = Pick<
  InterviewSession,
  'key' | 'user_id' | 'session_id' | 'language' | 'retain_audio' | 'erasing_since' | 'answered' | 'answers'
> & { questions: Pick<Question, 'id'>[] };

/** A page of sessions ends with the one that passes this. */
const PAGE_BYTES = 4 * 2 ** 20;
const LISTED_AT_ONCE = 20;

type CurrentTakes = Pick<InterviewSession, 'key' | 'erasing_since'> & Partial<Pick<InterviewSession, 'answers'>>;

export type ErasingSession = Pick<InterviewSession, 'key' | 'user_id' | 'session_id' | 'erasing_since'>;

const ASKED = {
  key: 1,
  user_id: 1,
  session_id: 1,
  language: 1,
  retain_audio: 1,
  erasing_since: 1,
  answered: 1,
  'questions.id': 1,
} as const;

/** Sessions and the answers in them. Everything is asked for by its owner: another user's session is not there. */
@Injectable()
export class SessionRepository {
  readonly sessions: mongo.Collection<InterviewSession>;
  private readonly writes: GroupCommit<InterviewSession>;

  /** Reads that are asked for in the same turn of the event loop go to MongoDB as one: polling is most of the traffic. */
  private readonly loader = this.batched((keys: readonly string[]) => this.load<InterviewSession>(keys, {}));
  private readonly heads = this.batched((keys: readonly string[]) =>
    this.load<SessionHead>(keys, { projection: { key: 1, rev: 1, erasing_since: 1 } }),
  );
  private readonly asked = this.batched((asked: readonly { key: string; questionId: string }[]) => {
    const answers = Object.fromEntries(asked.map(({ questionId }) => [`answers.${questionId}`, 1]));
    return this.load<AskedSession>(
      asked.map(({ key }) => key),
      { projection: { ...ASKED, ...answers } },
    );
  });

  private readonly current = this.batched((asked: readonly { key: string; questionId: string }[]) => {
    const ids = Object.fromEntries(asked.map(({ questionId }) => [`answers.${questionId}.upload_id`, 1]));
    return this.load<CurrentTakes>(
      asked.map(({ key }) => key),
      { projection: { key: 1, erasing_since: 1, ...ids } },
    );
  });

  constructor(
    @InjectConnection() connection: Connection,
    private readonly outbox: Outbox,
  ) {
    this.sessions = nativeCollection<InterviewSession>(connection, 'interview_sessions');
    this.writes = new GroupCommit(this.sessions);
  }

  private batched<K, T>(load: (keys: readonly K[]) => Promise<(T | null)[]>): DataLoader<K, T | null> {
    const batchScheduleFn = (run: () => void) => void setImmediate(run);
    return new DataLoader(load, { cache: false, maxBatchSize: 100, batchScheduleFn });
  }

  private async load<T extends { key: string; answers?: Record<string, Answer> }>(
    keys: readonly string[],
    options: mongo.FindOptions,
  ): Promise<(T | null)[]> {
    const wanted = keys.length === 1 ? keys[0]! : { $in: [...new Set(keys)] };
    const found = new Map<string, T>();
    for (const session of await this.sessions.find<T>({ key: wanted }, options).toArray())
      found.set(session.key, withPlainAnswers(session));
    return keys.map((key) => found.get(key) ?? null);
  }

  /** @throws NotFoundError for an unknown session, another user's, or one that is being erased */
  async get(userId: string, sessionId: string): Promise<InterviewSession> {
    const session = await this.loader.load(sessionKey(userId, sessionId));
    if (!session || session.erasing_since) throw new NotFoundError('Session');
    return session;
  }

  /** Whether it changed, for a fraction of what reading all its answers costs. @throws NotFoundError as `get` */
  async head(userId: string, sessionId: string): Promise<SessionHead> {
    const head = await this.heads.load(sessionKey(userId, sessionId));
    if (!head || head.erasing_since) throw new NotFoundError('Session');
    return head;
  }

  async isThere(userId: string, sessionId: string): Promise<boolean> {
    const head = await this.heads.load(sessionKey(userId, sessionId));
    return head !== null && !head.erasing_since;
  }

  /** The session as far as one question goes. @throws NotFoundError as `get` */
  async about(userId: string, sessionId: string, questionId: string): Promise<AskedSession> {
    const session = await this.asked.load({ key: sessionKey(userId, sessionId), questionId });
    if (!session || session.erasing_since) throw new NotFoundError('Session');
    return session;
  }

  async find(userId: string, sessionId: string): Promise<InterviewSession | null> {
    const session = await this.loader.load(sessionKey(userId, sessionId));
    return session?.erasing_since ? null : session;
  }

  /** The row that feeds the answer to a question; null when there is none, or no session any more. */
  async currentTake(userId: string, sessionId: string, questionId: string): Promise<string | null> {
    const session = await this.current.load({ key: sessionKey(userId, sessionId), questionId });
    return (!session?.erasing_since && session?.answers?.[questionId]?.upload_id) || null;
  }

  async isBeingErased(userId: string, sessionId: string): Promise<boolean> {
    const erasing = { key: sessionKey(userId, sessionId), erasing_since: { $exists: true } };
    return (await this.sessions.findOne(erasing, { projection: { _id: 1 } })) !== null;
  }

  /** @throws ConflictError when the user has a session of that id already */
  async insert(session: Omit<InterviewSession, '_id' | 'key'>): Promise<InterviewSession> {
    const row = { _id: new mongo.ObjectId(), key: sessionKey(session.user_id, session.session_id), ...session };
    try {
      await this.writes.insert(row);
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      if (await this.isBeingErased(session.user_id, session.session_id)) {
        const message = 'The session with this id is being erased; please try again in a moment';
        throw new AppError('conflict', 'session_erasing', message, { retryable: true, retryAfter: 5 });
      }
      throw new ConflictError('session_exists', 'A session with this id exists already');
    }
    return row;
  }

  /**
   * Newest first, as many as there are, up to `limit` or some MiB of them: sessions may be large, and a page is held as a whole.
   *
   * @param before only sessions older than this one's `_id`
   * @returns whether there are `more` behind them, too
   */
  async list(userId: string, limit: number, before?: string): Promise<{ sessions: InterviewSession[]; more: boolean }> {
    const found = this.sessions
      .find({
        user_id: userId,
        // Without a key it is another service's, until it is adopted.
        key: { $exists: true },
        erasing_since: { $exists: false },
        ...(before ? { _id: { $lt: new mongo.ObjectId(before) } } : {}),
      })
      .sort({ _id: -1 })
      .limit(limit + 1)
      .batchSize(LISTED_AT_ONCE);
    const sessions: InterviewSession[] = [];
    let bytes = 0;
    for await (const session of found) {
      if (sessions.length === limit || bytes > PAGE_BYTES) return { sessions, more: true };
      bytes += mongo.BSON.calculateObjectSize(session);
      sessions.push(session);
    }
    return { sessions, more: false };
  }

  /**
   * Makes a take the current one of its question, if the take that was current is still `expected`.
   *
   * @param status what the expected one still has to show
   * @returns false when another take came in between, or the session is gone
   */
  async replaceAnswer(
    { key }: { key: string },
    answer: Answer,
    expected: string | null,
    status?: TranscriptionStatus,
  ): Promise<boolean> {
    const path = `answers.${answer.question_id}`;
    return this.writes.update({
      filter: {
        key,
        erasing_since: { $exists: false },
        [`${path}.upload_id`]: expected === null ? { $exists: false } : expected,
        ...(status && { [`${path}.transcription_status`]: status }),
      },
      update: {
        $set: { [path]: answer, updated_at: new Date() },
        $inc: { rev: 1, answered: expected === null ? 1 : 0 },
      },
      which: { key },
      shows: ({ answers }) => answers[answer.question_id]?.upload_id === answer.upload_id,
      part: answer.question_id,
    });
  }

  /** Sets fields of an answer, where it still is fed by this row and shows an older version of it. */
  async projectAnswer(
    key: string,
    questionId: string,
    uploadId: string,
    version: number,
    fields: Partial<Answer>,
  ): Promise<boolean> {
    const path = `answers.${questionId}`;
    const now = new Date();
    const set: Record<string, unknown> = { [`${path}.version`]: version, [`${path}.updated_at`]: now, updated_at: now };
    for (const [field, value] of Object.entries(fields)) set[`${path}.${field}`] = value;
    return this.writes.update({
      filter: { key, [`${path}.upload_id`]: uploadId, [`${path}.version`]: { $lt: version } },
      update: { $set: set, $inc: { rev: 1 } },
      which: { key },
      shows: ({ answers }) => {
        const answer = answers[questionId];
        return answer?.upload_id === uploadId && answer.version === version;
      },
      part: questionId,
    });
  }

  /**
   * Who analyzed the same session at the same time has set it first, or sets it then.
   *
   * @param counts of its answers, told with the score to those who want to hear of it
   */
  async setFinalScore(
    session: InterviewSession,
    finalScore: number | null,
    counts: Record<string, number>,
  ): Promise<boolean> {
    const now = new Date();
    const { user_id, session_id, final_score, analyzed_at } = session;
    const wanted = this.outbox.mayWant('session.analyzed', user_id);
    const data = { session_id, user_id, status: 'analyzed', final_score: finalScore, ...counts };
    const event = { type: 'session.analyzed' as const, at: now, user_id, session_id, upload_id: null, data };
    const owed = wanted ? owing(randomUUID(), { ...event, correlation_id: correlationId() ?? null }) : {};
    const { modifiedCount } = await this.sessions.updateOne(
      { key: session.key, final_score, analyzed_at },
      { $set: { final_score: finalScore, analyzed_at: now, updated_at: now, ...owed }, $inc: { rev: 1 } },
    );
    if (modifiedCount === 1 && wanted) this.outbox.nudge('interview_sessions', session._id);
    return modifiedCount === 1;
  }

  /** From here on the session reads as gone. False if it was not there. */
  async beginErasure(userId: string, sessionId: string): Promise<boolean> {
    const { matchedCount } = await this.sessions.updateOne(
      { key: sessionKey(userId, sessionId), erasing_since: { $exists: false } },
      { $set: { erasing_since: new Date() } },
    );
    return matchedCount === 1;
  }

  /** Sessions whose erasure began before that time and is not over. */
  erasingSince(before: Date): AsyncIterable<ErasingSession> {
    const projection = { key: 1, user_id: 1, session_id: 1, erasing_since: 1 };
    return this.sessions.find({ erasing_since: { $lt: before } }, { projection, batchSize: 200 });
  }

  async remove(session: Pick<InterviewSession, 'key'>): Promise<void> {
    await this.sessions.deleteOne({ key: session.key });
  }
}

/** A question may be called `toString`: what it has no answer to must not be found on the prototype. */
function withPlainAnswers<T extends { answers?: Record<string, Answer> }>(session: T): T {
  if (session.answers) Object.setPrototypeOf(session.answers, null);
  return session;
}
