import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { AppError } from '../common/app-error.js';
import { correlationId } from '../common/correlation.js';
import { Log } from '../common/logging.js';
import { nativeCollection } from '../common/mongo-collection.js';
import type { Actor } from './actor.decorator.js';
import type { AuditEntry, AuditOutcome } from './audit.schema.js';

/** What is about to be done. Details are named one by one by whoever acts: never a body as it came, never a secret. */
export interface Deed {
  action: string;
  target: string;
  details?: Record<string, unknown>;
}

export interface AuditFilter {
  user_id?: string;
  action?: string;
  target?: string;
  since?: Date;
}

/** Who did what to what, when and from where. Append-only: there is no way to change or remove an entry. */
@Injectable()
export class Audit {
  private readonly entries: mongo.Collection<AuditEntry>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly log: Log,
  ) {
    this.entries = nativeCollection<AuditEntry>(connection, 'audit');
  }

  /**
   * Does something in an actor's name. It is recorded, done or not, before this resolves or rejects.
   *
   * @param outcome more details, from what came of it
   * @throws what `work` throws; what MongoDB fails with when a deed that was done cannot be recorded
   */
  async act<T>(
    actor: Actor,
    deed: Deed,
    work: () => Promise<T>,
    outcome: (result: T) => Record<string, unknown> = () => ({}),
  ): Promise<T> {
    // The log has it whatever happens to this process in between.
    this.log.pino.info({ user_id: actor.user_id, action: deed.action, target: deed.target }, 'Action by hand');
    let result: T;
    try {
      result = await work();
    } catch (error) {
      const [how, code]: [AuditOutcome, string] =
        error instanceof AppError ? ['refused', error.code] : ['error', 'unexpected'];
      await this.record(actor, [deed], how, code).catch((failure: unknown) => this.unrecorded(deed, failure));
      throw error;
    }
    const details = { ...deed.details, ...outcome(result) };
    try {
      await this.record(actor, [{ ...deed, details }]);
    } catch (failure) {
      this.unrecorded(deed, failure);
      throw failure;
    }
    return result;
  }

  /** Records what has been done already, several deeds at once. */
  async record(
    { user_id, ip }: Actor,
    deeds: Deed[],
    outcome: AuditOutcome = 'done',
    code: string | null = null,
  ): Promise<void> {
    if (deeds.length === 0) return;
    const at = new Date();
    const correlation_id = correlationId() ?? null;
    await this.entries.insertMany(
      deeds.map(({ action, target, details = {} }) => {
        const _id = new mongo.ObjectId();
        return { _id, at, user_id, action, target, outcome, code, details, ip, correlation_id };
      }),
    );
  }

  /** Newest first. `before`: only entries older than this id. */
  async list({ since, ...equal }: AuditFilter, limit: number, before?: string): Promise<AuditEntry[]> {
    const filter: mongo.Filter<AuditEntry> = Object.fromEntries(
      Object.entries(equal).filter(([, value]) => value !== undefined),
    );
    if (since) filter.at = { $gte: since };
    if (before) filter._id = { $lt: new mongo.ObjectId(before) };
    return this.entries.find(filter).sort({ _id: -1 }).limit(limit).toArray();
  }

  private unrecorded(deed: Deed, failure: unknown): void {
    this.log.pino.error({ err: failure, action: deed.action, target: deed.target }, 'Audit entry not written');
  }
}
