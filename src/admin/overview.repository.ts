import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import type { ArchiveName, KeptAudio } from '../uploads/kept-audio.schema.js';
import { Ledger } from '../uploads/ledger.js';
import type { Attempt, StageName } from '../uploads/upload.schema.js';
import type { LetterFilter } from './dead-letter.js';
import { letterRows } from './dead-letter.js';

/** How many attempts of a stage ended well, or were the last. */
export interface EndCounts {
  done: Map<StageName, number>;
  failed: Map<StageName, number>;
}

export interface CodeCount {
  code: string;
  /** That ended with it. */
  attempts: number;
  /** Of these, the last ones. */
  final: number;
}

export interface UploadFailureCount {
  code: string;
  count: number;
}

export interface StoredIn {
  store: ArchiveName;
  files: number;
  bytes: number;
}

/** Counts for the overview, in plain `$match` and `$group`: every engine has them. */
@Injectable()
export class OverviewRepository {
  constructor(
    @InjectConnection() private readonly connection: Connection,
    private readonly ledger: Ledger,
    private readonly config: Config,
  ) {}

  /** Attempts that ended from `from` until before `to`. Their ids are made at their end, and are in order of time. */
  async ends(from: Date, to: Date): Promise<EndCounts> {
    const _id = { $gte: idAt(from), $lt: idAt(to) };
    const [done, failed] = await Promise.all([
      this.attemptsBy('stage', { outcome: 'done', _id }),
      this.attemptsBy('stage', { ...this.last, _id }),
    ]);
    return { done: done as Map<StageName, number>, failed: failed as Map<StageName, number> };
  }

  /** What went wrong with a stage, by code. */
  async failures(stage: StageName, since: Date): Promise<CodeCount[]> {
    const _id = { $gte: idAt(since) };
    const [attempts, final] = await Promise.all([
      this.attemptsBy('error.code', { outcome: { $in: ['retry', 'lost', 'failed'] }, stage, _id }),
      this.attemptsBy('error.code', { ...this.last, stage, _id }),
    ]);
    return [...attempts].map(([code, count]) => ({ code, attempts: count, final: final.get(code) ?? 0 }));
  }

  /** Attempts after which nothing came. For a worker that went away with the last one there is no other record. */
  private get last(): mongo.Filter<Attempt> {
    return { $or: [{ outcome: 'failed' }, { outcome: 'lost', number: { $gte: this.config.STAGE_ATTEMPTS } }] };
  }

  private async attemptsBy(field: string, match: mongo.Filter<Attempt>): Promise<Map<string, number>> {
    const groups = await this.ledger.attempts
      .aggregate<{ _id: string | null; count: number }>([
        { $match: match },
        { $group: { _id: `$${field}`, count: { $sum: 1 } } },
      ])
      .toArray();
    return new Map(groups.map(({ _id, count }) => [_id ?? 'unknown', count]));
  }

  /** Seconds that the latest attempts of a stage took which ended well, at most `limit`. */
  async durationsS(stage: StageName, since: Date, limit: number): Promise<number[]> {
    const attempts = await this.ledger.attempts
      .find({ _id: { $gte: idAt(since) }, stage, outcome: 'done' }, { projection: { from: 1, to: 1 } })
      .sort({ _id: -1 })
      .limit(limit)
      .toArray();
    return attempts.flatMap(({ from, to }) => (from ? [(to.getTime() - from.getTime()) / 1000] : []));
  }

  /** Uploads that never arrived whole, by the code of why. */
  async failedUploads(since: Date): Promise<UploadFailureCount[]> {
    const groups = await this.ledger.rows
      .aggregate<{ _id: string | null; count: number }>([
        { $match: { state: 'failed', updated_at: { $gte: since } } },
        { $group: { _id: '$error.code', count: { $sum: 1 } } },
      ])
      .toArray();
    return groups.map(({ _id, count }) => ({ code: _id ?? 'unknown', count }));
  }

  async deadLetters(filter: LetterFilter, state: 'open' | 'expired'): Promise<number> {
    const rows = letterRows(filter, state);
    return rows ? this.ledger.rows.countDocuments(rows) : 0;
  }

  /** The landing zone. */
  async gridFs(): Promise<{ files: number; bytes: number }> {
    const [sum] = await nativeCollection(this.connection, 'fs.files')
      .aggregate<{ files: number; bytes: number }>([
        { $group: { _id: null, files: { $sum: 1 }, bytes: { $sum: '$length' } } },
      ])
      .toArray();
    return { files: Number(sum?.files ?? 0), bytes: Number(sum?.bytes ?? 0) };
  }

  /** What is in the archive for good, in those stores that have any. */
  async archived(): Promise<StoredIn[]> {
    const groups = await nativeCollection<KeptAudio>(this.connection, 'kept_audio')
      .aggregate<{ _id: ArchiveName; files: number; bytes: number }>([
        { $match: { state: 'live' } },
        { $group: { _id: '$store', files: { $sum: 1 }, bytes: { $sum: '$size' } } },
      ])
      .toArray();
    return groups.map(({ _id, files, bytes }) => ({ store: _id, files: Number(files), bytes: Number(bytes) }));
  }

  /** Bytes on disk with indexes; null where the engine cannot say. */
  async databaseBytes(): Promise<number | null> {
    try {
      const stats = await this.connection.db?.stats();
      const bytes = Number(stats?.['storageSize']) + Number(stats?.['indexSize'] ?? 0);
      return Number.isFinite(bytes) ? bytes : null;
    } catch {
      return null;
    }
  }
}

/** The smallest id that was made at or after a time: ids hold whole seconds. */
function idAt(time: Date): mongo.ObjectId {
  return mongo.ObjectId.createFromTime(Math.floor(time.getTime() / 1000));
}
