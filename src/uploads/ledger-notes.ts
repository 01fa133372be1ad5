import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Log } from '../common/logging.js';
import { Outbox } from '../events/outbox.js';
import { Ledger } from './ledger.js';
import type { Attempt, Upload } from './upload.schema.js';

const FLUSH_MS = 200;
const MOST = 200;

/**
 * Marks that nobody waits for, written together five times a second: what happened to an attempt that went well, that a target
 * shows the latest change or refers to a new row, that a file is gone. A crash may lose them; the sweep then finds the step unmarked, repeats it
 * (each can be repeated) and marks it again.
 */
@Injectable()
export class LedgerNotes implements OnApplicationShutdown {
  private attempts: Omit<Attempt, '_id'>[] = [];
  private shown: { id: mongo.ObjectId; mark: string }[] = [];
  private deleted: mongo.ObjectId[] = [];
  private linkedRows: mongo.ObjectId[] = [];
  private timer: NodeJS.Timeout | null = null;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly ledger: Ledger,
    private readonly outbox: Outbox,
    private readonly log: Log,
  ) {}

  attempt(attempt: Omit<Attempt, '_id'>): void {
    this.attempts.push(attempt);
    this.schedule();
  }

  /** The target shows the change that `mark` names; a later change has a mark of its own and stays due. */
  projected(id: mongo.ObjectId, mark: string): void {
    this.shown.push({ id, mark });
    this.outbox.shown(id, mark);
    this.schedule();
  }

  audioDeleted(id: mongo.ObjectId): void {
    this.deleted.push(id);
    this.schedule();
  }

  /** The target refers to the row. */
  linked(id: mongo.ObjectId): void {
    this.linkedRows.push(id);
    this.schedule();
  }

  private schedule(): void {
    const count = this.attempts.length + this.shown.length + this.deleted.length + this.linkedRows.length;
    if (count >= MOST) void this.flush();
    else this.timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** Resolves when everything noted so far is written, or given up. */
  async flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const attempts = this.attempts.splice(0);
    const shown = this.shown.splice(0);
    const deleted = this.deleted.splice(0);
    const linked = this.linkedRows.splice(0);
    this.flushing = this.flushing.then(async () => {
      try {
        if (attempts.length > 0) await this.ledger.recordAll(attempts);
        if (shown.length > 0) await this.markShown(shown);
        if (deleted.length > 0) await this.markDeleted(deleted);
        if (linked.length > 0) await this.markLinked(linked);
      } catch (error) {
        const lost = { attempts: attempts.length, shown: shown.length, deleted: deleted.length, linked: linked.length };
        this.log.pino.warn({ err: error, ...lost }, 'Ledger notes not written');
      }
    });
    await this.flushing;
  }

  /** A mark is of one change of one row: no row has another's, so that one update serves them all. */
  private async markShown(shown: { id: mongo.ObjectId; mark: string }[]): Promise<void> {
    const filter = {
      _id: { $in: shown.map(({ id }) => id) },
      projection_due: { $in: shown.map(({ mark }) => mark) },
    } as mongo.Filter<Upload>;
    await this.ledger.rows.updateMany(filter, { $unset: { projection_due: 1 } });
  }

  private async markDeleted(ids: mongo.ObjectId[]): Promise<void> {
    const now = new Date();
    const filter = { _id: { $in: ids }, audio_state: 'deleting' } as mongo.Filter<Upload>;
    await this.ledger.rows.updateMany(filter, {
      $set: { audio_state: 'deleted', audio_deleted_at: now, updated_at: now },
    });
  }

  private async markLinked(ids: mongo.ObjectId[]): Promise<void> {
    // A claim may have taken the mark away by now: the time is still to be told.
    const filter = { _id: { $in: ids }, linked_at: { $exists: false } } as mongo.Filter<Upload>;
    await this.ledger.rows.updateMany(filter, { $set: { linked_at: new Date() }, $unset: { link_due: 1 } });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flush();
  }
}
