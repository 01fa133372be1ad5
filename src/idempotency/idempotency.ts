import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Collection, Connection } from 'mongoose';
import { AppError, ValidationError } from '../common/app-error.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { Config } from '../config/config.js';

/** A request that is to have its effect once. `route` is method and path as called: `POST /api/sessions`. */
export interface IdempotentRequest {
  userId: string;
  route: string;
  key: string;
}

/** The answer that a later request with the same key gets again. */
export interface StoredResponse {
  status: number;
  body: unknown;
}

/** This request is the first, or takes over from one that died. End it with `complete` or `release`. */
export interface Claim {
  readonly id: string;
  readonly token: string;
}

/** What `begin` found: nothing before us, or an answer to give again if the content turns out to be the same. */
export type Beginning =
  { claim: Claim; earlier: null } | { claim: null; earlier: StoredResponse & { fingerprint: string } };

interface Row {
  _id: string;
  user_id: string;
  route: string;
  /** The session that its answer tells of, with which it is erased. */
  session_id?: string | null;
  state: 'in_flight' | 'done';
  token: string;
  lease_until: Date;
  expires_at: Date;
  created_at: Date;
  fingerprint?: string;
  status?: number;
  /** JSON, since a body may have keys that MongoDB reads as operators or paths. */
  body?: string;
}

const COLLECTION = 'idempotency_keys';
const KEY_SHAPE = /^[\x21-\x7e]{1,255}$/;
/** How long a request waits for an earlier one with its key that is still under way. */
const PATIENCE_MS = 2000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 200;

/**
 * Remembers in MongoDB which requests were answered how, by user, route and `Idempotency-Key`, for `IDEMPOTENCY_TTL_H`.
 * Only answers that succeeded are kept: a refused request may be put right and sent again under its key.
 */
@Injectable()
export class Idempotency implements OnModuleInit {
  constructor(
    @InjectConnection() private readonly connection: Connection,
    private readonly config: Config,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.rows().createIndex({ expires_at: 1 }, { expireAfterSeconds: 0 });
    await this.rows().createIndex({ user_id: 1 });
  }

  /**
   * Starts a request. One with the same key that is under way is waited for, up to 2 s.
   *
   * @throws ValidationError for a key that is not 1 to 255 visible ASCII characters
   * @throws AppError `conflict` with `Retry-After` while an earlier request with the key is still under way
   */
  async begin(request: IdempotentRequest): Promise<Beginning> {
    if (!KEY_SHAPE.test(request.key)) {
      const msg = 'Value error, must be 1 to 255 visible ASCII characters';
      throw ValidationError.at(['header', 'idempotency-key'], 'value_error', msg, request.key);
    }
    const id = rowId(request);
    const giveUp = Date.now() + PATIENCE_MS;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const beginning = await this.tryBegin(id, request);
      if (beginning) return beginning;
      if (Date.now() >= giveUp) throw underWay();
      await wait(pause);
    }
  }

  /** Renews the lease of a request again and again, which may take longer than that. @returns what ends it */
  keep(claim: Claim): () => void {
    const renewal = setInterval(() => void this.renew(claim).catch(() => undefined), this.leaseMs() / 3);
    return () => clearInterval(renewal);
  }

  /** Extends the lease of a request that takes long. False if another request has taken it over. */
  async renew({ id, token }: Claim): Promise<boolean> {
    const result = await this.rows().updateOne(
      { _id: id, token, state: 'in_flight' },
      { $set: { lease_until: this.leaseEnd() } },
    );
    return result.modifiedCount === 1;
  }

  /**
   * Keeps the answer. False if another request has taken the key over meanwhile; then that one's answer counts.
   *
   * @param sessionId the session that it tells of
   */
  async complete(
    { id, token }: Claim,
    fingerprint: string,
    { status, body }: StoredResponse,
    sessionId: string | null = null,
  ): Promise<boolean> {
    const result = await this.rows().updateOne(
      { _id: id, token, state: 'in_flight' },
      { $set: { state: 'done', session_id: sessionId, fingerprint, status, body: JSON.stringify(body ?? null) } },
    );
    return result.modifiedCount === 1;
  }

  /** Forgets a request that failed, so that the next one with its key is tried afresh. */
  async release({ id, token }: Claim): Promise<void> {
    await this.rows().deleteOne({ _id: id, token, state: 'in_flight' });
  }

  /** Forgets what was answered about a session: it says what was in it, and that something is there which is not. */
  async eraseSession(userId: string, sessionId: string): Promise<void> {
    await this.rows().deleteMany({ user_id: userId, session_id: sessionId });
  }

  /** Forgets all keys of a user; returns how many. */
  async eraseUser(userId: string): Promise<number> {
    return (await this.rows().deleteMany({ user_id: userId })).deletedCount;
  }

  private async tryBegin(id: string, { userId, route }: IdempotentRequest): Promise<Beginning | null> {
    const now = new Date();
    const fresh = {
      user_id: userId,
      route,
      state: 'in_flight' as const,
      token: randomUUID(),
      lease_until: this.leaseEnd(),
      created_at: now,
      expires_at: new Date(now.getTime() + this.config.IDEMPOTENCY_TTL_H * 3_600_000),
    };
    const claimed: Beginning = { claim: { id, token: fresh.token }, earlier: null };
    try {
      await this.rows().insertOne({ _id: id, ...fresh });
      return claimed;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
    }
    const row = await this.rows().findOne({ _id: id });
    if (!row) return null;
    // The driver has sent it again, to a MongoDB that had it.
    if (row.token === fresh.token) return claimed;
    // MongoDB removes expired rows about once a minute, and some engines never.
    const abandoned = row.state === 'in_flight' && row.lease_until <= now;
    if (abandoned || row.expires_at <= now) {
      const unset = { session_id: 1, fingerprint: 1, status: 1, body: 1 } as const;
      const taken = await this.rows().updateOne(
        { _id: id, token: row.token, state: row.state },
        { $set: fresh, $unset: unset },
      );
      return taken.modifiedCount === 1 ? claimed : null;
    }
    if (row.state === 'in_flight') return null;
    const { fingerprint = '', status = 200, body = 'null' } = row;
    return { claim: null, earlier: { fingerprint, status, body: JSON.parse(body) as unknown } };
  }

  private leaseEnd(): Date {
    return new Date(Date.now() + this.leaseMs());
  }

  private leaseMs(): number {
    return this.config.UPLOAD_LEASE_S * 1000;
  }

  private rows(): Collection<Row> {
    const database = this.connection.db;
    if (!database) throw new AppError('unavailable', 'database_away', 'The database cannot be reached at the moment');
    return database.collection<Row>(COLLECTION, {
      writeConcern: { w: 'majority', journal: true },
    }) as unknown as Collection<Row>;
  }
}

/** The answer to a key that came again with other content. */
export function otherContent(): AppError {
  return new AppError('conflict', 'idempotency_key_reused', 'This Idempotency-Key was used with other content');
}

function underWay(): AppError {
  const message = 'A request with this Idempotency-Key is still under way';
  return new AppError('conflict', 'idempotency_in_flight', message, { retryable: true, retryAfter: 2 });
}

/** One row per user, route and key: the primary key is unique without an index of its own. */
function rowId({ userId, route, key }: IdempotentRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([userId, route, key]))
    .digest('base64url');
}
