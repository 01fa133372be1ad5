import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import type { mongo } from 'mongoose';
import { grouped } from '../common/grouped.js';
import { stagePath } from './stage-path.js';
import type { Ledger } from './ledger.js';
import type { Stage, StageName, Upload } from './upload.schema.js';
import { withStage } from './stage-end.js';

/** A stage that is asked for, and who wants to know its row. */
interface Asked {
  readonly id: mongo.ObjectId;
  readonly seen: ((row: Upload) => void) | undefined;
}

/** What a claim sets of a stage. */
type ClaimFields = Pick<Stage, 'state' | 'token' | 'lease_until' | 'worker'> & { readonly started_at: Date };

/** Bull may start a delayed job a little before the ledger's time. */
const EARLY_MS = 250;

/**
 * Takes due stages: rows are read, then taken by one conditional update. Not by `findAndModify`, for which one of the engines that
 * this runs on reads the whole collection.
 */
export class StageClaims {
  private readonly takes = new Map<string, (asked: Asked) => Promise<Upload | null>>();

  constructor(
    private readonly ledger: Ledger,
    private readonly leaseMs: number,
  ) {}

  /**
   * What one worker asks for at the same time is taken together.
   *
   * @param seen hears of the due row as soon as it is read, and must not throw; somebody else may still take it
   * @returns the row as it was taken; null if the stage is not due, or somebody else took it
   */
  take(
    id: mongo.ObjectId,
    stage: StageName,
    worker: string,
    seen: ((row: Upload) => void) | undefined,
  ): Promise<Upload | null> {
    const key = `${stage} ${worker}`;
    let take = this.takes.get(key);
    if (!take) {
      take = grouped((asked: readonly Asked[]) => this.takeAll(asked, stage, worker));
      this.takes.set(key, take);
    }
    return take({ id, seen });
  }

  private async takeAll(asked: readonly Asked[], stage: StageName, worker: string): Promise<(Upload | null)[]> {
    const found = await this.rowsOf(
      dueOf(
        asked.map(({ id }) => id),
        stage,
      ),
    );
    // First, and with all that it does at once, as an answer waits for the work and not for its claim.
    for (const { id, seen } of asked) {
      const row = found.get(id.toHexString());
      if (row) seen?.(row);
    }
    await immediate();
    const ours = found.size > 0 ? await this.takeFound(found, stage, worker) : found;
    return asked.map(({ id }) => {
      const row = ours.get(id.toHexString()) ?? null;
      // One that was delivered twice is worked on once.
      ours.delete(id.toHexString());
      return row;
    });
  }

  /** @returns those of the rows that were taken, as they are now */
  private async takeFound(found: Map<string, Upload>, stage: StageName, worker: string): Promise<Map<string, Upload>> {
    const token = randomUUID();
    const rows = [...found.values()];
    // Those that were found, and no others: one that has become due since has told nobody of its row.
    const ids = rows.map(({ _id }) => _id);
    const { version } = rows[0]!;
    if (rows.every((row) => row.version === version)) {
      const fields = this.fields(token, worker);
      // What nobody has changed since it was read is known without reading it again.
      const all = await this.set({ ...dueOf(ids, stage), version }, stage, fields).then(
        (count) => count === found.size,
        () => false,
      );
      if (all) return new Map([...found].map(([id, row]) => [id, taken(row, stage, fields)]));
    }
    // Also where the answer to that was lost: what it took is not due any more, and has our token.
    await this.set(dueOf(ids, stage), stage, this.fields(token, worker));
    return this.rowsOf({ _id: oneOf(ids), [stagePath(stage, 'token')]: token });
  }

  private async rowsOf(filter: mongo.Filter<Upload>): Promise<Map<string, Upload>> {
    const rows = new Map<string, Upload>();
    for await (const row of this.ledger.rows.find(filter)) rows.set(row._id.toHexString(), row);
    return rows;
  }

  private fields(token: string, worker: string): ClaimFields {
    const now = Date.now();
    return {
      state: 'processing',
      token,
      lease_until: new Date(now + this.leaseMs),
      worker,
      started_at: new Date(now),
    };
  }

  private async set(due: mongo.Filter<Upload>, stage: StageName, fields: ClaimFields): Promise<number> {
    const set = Object.entries(fields).map(([field, value]) => [stagePath(stage, field), value] as const);
    const { modifiedCount } = await this.ledger.rows.updateMany(due, {
      $set: { ...Object.fromEntries(set), updated_at: fields.started_at },
      $inc: { [stagePath(stage, 'attempts')]: 1, version: 1 },
      // A stage is dispatched only after its link was made.
      $unset: { link_due: 1 },
    });
    return modifiedCount;
  }
}

function dueOf(ids: readonly mongo.ObjectId[], stage: StageName): mongo.Filter<Upload> {
  return {
    _id: oneOf(ids),
    state: 'committed',
    [stagePath(stage, 'state')]: 'due',
    [stagePath(stage, 'due_at')]: { $lte: new Date(Date.now() + EARLY_MS) },
  };
}

/** An engine finds one by its id sooner than by a list of ids. */
const oneOf = (ids: readonly mongo.ObjectId[]) => (ids.length === 1 ? ids[0]! : { $in: [...ids] });

/** The row as the claim left it, without reading it again. */
function taken(row: Upload, stage: StageName, fields: ClaimFields): Upload {
  const { link_due: _, ...rest } = row;
  const attempts = (row.stages[stage]?.attempts ?? 0) + 1;
  return withStage(rest, stage, { ...fields, attempts }, { updated_at: fields.started_at });
}
