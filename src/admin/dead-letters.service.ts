import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import type { Actor } from '../audit/actor.decorator.js';
import { Audit } from '../audit/audit.js';
import { ConflictError, NotFoundError } from '../common/app-error.js';
import { cursorId } from '../common/cursor.js';
import { StageRestart } from '../queue/stage-restart.js';
import { Ledger } from '../uploads/ledger.js';
import { StageByHand } from '../uploads/stage-by-hand.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { DeadLetterPage, DeadLetterQuery, DeadLetterView, RetriedMany, RetryMany } from './dead-letter.dto.js';
import { deadLetterView } from './dead-letter.dto.js';
import type { QueuedAgain } from './queued-again.dto.js';
import type { DeadLetter, LetterChoice } from './dead-letter.js';
import { deadLetterOf, letterRows, obstacleOf } from './dead-letter.js';

/** Restarts at once: enough to hide round trips, too few to hold up uploads. */
const AT_ONCE = 10;

/** The manual recovery queue: stages that failed for good, read from the ledger and put right by conditional updates. */
@Injectable()
export class DeadLetters {
  constructor(
    private readonly ledger: Ledger,
    private readonly stages: StageByHand,
    private readonly restarts: StageRestart,
    private readonly audit: Audit,
  ) {}

  /** Newest upload first. Dismissed ones are not listed. */
  async list({ limit, cursor, ...choice }: DeadLetterQuery): Promise<DeadLetterPage> {
    const before = cursorId(cursor);
    const rows = await this.rows(letterRows(choice, choice.state), limit + 1, before);
    const page = rows.slice(0, limit);
    const attempts = await this.ledger.attemptsOf(page.map((row) => row._id));
    return {
      items: page
        .map((row) => deadLetterOf(row, choice))
        .filter((letter) => letter !== null)
        .map((letter) => deadLetterView(letter, attempts)),
      next_cursor: rows.length > limit ? (page.at(-1)?._id.toHexString() ?? null) : null,
    };
  }

  /** @throws NotFoundError; ConflictError with the reason why it cannot be retried */
  async retry(actor: Actor, id: string): Promise<QueuedAgain> {
    return this.audit.act(actor, { action: 'dead_letter.retry', target: `upload/${id}` }, async () => {
      const letter = await this.find(id);
      const obstacle = obstacleOf(letter);
      if (obstacle !== null) throw new ConflictError('not_retryable', obstacle);
      if (!(await this.restarts.restart(letter.row, letter.name))) throw changedMeanwhile();
      return { upload_id: id, stage: letter.name, state: 'due' };
    });
  }

  /** Queues open ones that match again, the oldest first, at most `limit` of them. */
  async retryMany(actor: Actor, { limit, ...filter }: RetryMany): Promise<RetriedMany> {
    const asked = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
    const deed = { action: 'dead_letters.retry', target: 'dead_letters', details: { filter: asked, limit } };
    return this.audit.act(
      actor,
      deed,
      async () => {
        // What fails again during the call is a new failure, not one that was left.
        const choice: LetterChoice = { ...filter, state: 'open', until: new Date() };
        const matching = letterRows(filter, choice.state, choice.until);
        const rows = await this.rows(matching, limit, undefined, 1);
        const ids: string[] = [];
        for (let next = 0; next < rows.length; next += AT_ONCE) {
          const restarted = await Promise.all(rows.slice(next, next + AT_ONCE).map((row) => this.restart(row, choice)));
          const done = restarted.filter((id) => id !== null);
          ids.push(...done);
          await this.audit.record(
            actor,
            done.map((id) => ({ action: 'dead_letter.retry', target: `upload/${id}`, details: { by_filter: true } })),
          );
        }
        const remaining = matching ? await this.ledger.rows.countDocuments(matching) : 0;
        return { retried: ids.length, remaining, ids };
      },
      ({ retried, remaining }) => ({ retried, remaining }),
    );
  }

  /** Takes it off the list; audio of a failed transcription goes with the next cleanup. */
  async dismiss(actor: Actor, id: string): Promise<DeadLetterView> {
    return this.audit.act(actor, { action: 'dead_letter.dismiss', target: `upload/${id}` }, async () => {
      const letter = await this.find(id);
      if (letter.stage.dismissed_at) throw new ConflictError('already_dismissed', obstacleOf(letter) ?? '');
      if (!(await this.stages.dismiss(letter.row, letter.name, actor.user_id))) throw changedMeanwhile();
      const dismissed = await this.find(id, { stage: letter.name });
      return deadLetterView(dismissed, await this.ledger.attemptsOf([dismissed.row._id]));
    });
  }

  private async find(id: string, choice?: LetterChoice): Promise<DeadLetter> {
    const row = await this.ledger.find(id);
    if (!row) throw new NotFoundError('Dead letter');
    const letter = deadLetterOf(row, choice);
    if (!letter) throw new ConflictError('not_a_dead_letter', 'Nothing of this upload has failed, or not any more');
    return letter;
  }

  private async restart(row: Upload, choice: LetterChoice): Promise<string | null> {
    const letter = deadLetterOf(row, choice);
    return letter && (await this.restarts.restart(row, letter.name)) ? row._id.toHexString() : null;
  }

  private async rows(filter: mongo.Filter<Upload> | null, limit: number, before?: string, order: 1 | -1 = -1) {
    if (!filter) return [];
    const older = before ? { _id: { $lt: new mongo.ObjectId(before) } } : {};
    return this.ledger.rows
      .find({ ...filter, ...older })
      .sort({ _id: order })
      .limit(limit)
      .toArray();
  }
}

export function changedMeanwhile(): ConflictError {
  return new ConflictError('changed_meanwhile', 'It was changed in the meantime; look at it again');
}
