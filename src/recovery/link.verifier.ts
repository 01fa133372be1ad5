import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Config } from '../config/config.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { Ledger } from '../uploads/ledger.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { Stuck } from './finding.js';
import { SecondLook } from './second-look.js';

/** Rows looked at together: their sessions come in one read. */
const BATCH = 50;

type Linked = Pick<Upload, '_id' | 'user_id' | 'session_id' | 'question_id' | 'committed_at'>;
const FIELDS = { user_id: 1, session_id: 1, question_id: 1, committed_at: 1 } as const;

/** Finds rows that stand for an answer which their session does not know: a link that no mark tells of any more. */
@Injectable()
export class LinkVerifier {
  constructor(
    private readonly ledger: Ledger,
    private readonly sessions: SessionRepository,
    private readonly config: Config,
  ) {}

  async *find(): AsyncGenerator<Stuck> {
    const again = new SecondLook<Linked, Stuck>(this.config.DISPATCH_GRACE_S * 1000, (row) => this.confirm(row));
    let batch: Linked[] = [];
    const standing: mongo.Filter<Upload> = { state: 'committed', kind: 'answer' };
    const rows = this.ledger.rows.find(standing, { projection: FIELDS, sort: { _id: 1 }, batchSize: 200 });
    for await (const row of rows as AsyncIterable<Linked>) {
      if (batch.push(row) < BATCH) continue;
      for (const each of await this.unknown(batch)) yield* again.add(each);
      batch = [];
    }
    for (const each of await this.unknown(batch)) yield* again.add(each);
    yield* again.rest();
  }

  /** Whether a row is what its session shows as the answer to its question. */
  async isKnown(row: Linked): Promise<boolean> {
    const current = await this.sessions.currentTake(row.user_id, row.session_id, row.question_id);
    return current === row._id.toHexString();
  }

  private async unknown(rows: Linked[]): Promise<Linked[]> {
    const known = await Promise.all(rows.map((row) => this.isKnown(row)));
    return rows.filter((_, index) => !known[index]);
  }

  private async confirm(row: Linked): Promise<Stuck | null> {
    const before = await this.standing(row._id);
    if (before === null || (await this.isKnown(before))) return null;
    // Its session reads as gone while it is erased, and its rows go one after the other.
    if (await this.sessions.isBeingErased(before.user_id, before.session_id)) return null;
    // An erasure that ended between those two reads left no session, and took the row before it.
    const now = await this.standing(row._id);
    if (now === null) return null;
    const since = now.committed_at ?? now.created_at;
    return { category: 'stuck', upload_id: row._id.toHexString(), stage: null, reason: 'answer_missing', since };
  }

  /** The row, while it is to be known by its session: what still is marked is found as such, and finished by the sweep. */
  private async standing(id: mongo.ObjectId): Promise<Upload | null> {
    const row = await this.ledger.find(id);
    return row?.state === 'committed' && !row.link_due ? row : null;
  }
}
