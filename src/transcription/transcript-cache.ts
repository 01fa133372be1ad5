import { Injectable } from '@nestjs/common';
import { grouped } from '../common/grouped.js';
import { Ledger } from '../uploads/ledger.js';
import type { Transcript } from '../uploads/results.js';
import type { Upload } from '../uploads/upload.schema.js';

export type Bytes = Pick<Upload, 'user_id' | 'sha256'>;
export type Earlier = Bytes & Pick<Upload, 'language' | 'transcript'>;
const SHOWN = { user_id: 1, sha256: 1, transcript: 1, language: 1 } as const;

/** Of someone who sends the same bytes again and again, not all are looked at. */
const MOST = 10;

/**
 * A user's same bytes are never transcribed twice by the same engine in the same language: the ledger's earlier rows are the cache,
 * and go with the owner's data. Nothing that one user can see or time depends on another user's files.
 */
@Injectable()
export class TranscriptCache {
  /** What there is of a user's bytes, in whatever language, by whatever engine. */
  readonly withSameBytes = grouped((asked: readonly Bytes[]) => this.rowsOf(asked));

  constructor(private readonly ledger: Ledger) {}

  /**
   * @param engine id of the engine that would transcribe it now
   * @param same what `withSameBytes` found, where that was asked before
   */
  async find(row: Upload, engine: string, same = this.withSameBytes(row)): Promise<Transcript | null> {
    const { language } = row;
    const earlier = (await same).find(
      (other) => other.language === language && other.transcript?.transcriber === engine,
    );
    return earlier?.transcript ?? null;
  }

  /** Exactly the index and nothing else: the few rows it gives are quickly looked through. */
  private async rowsOf(asked: readonly Bytes[]): Promise<Earlier[][]> {
    const exactly = asked.map(({ user_id, sha256 }) => ({ sha256, user_id }));
    const most = MOST * asked.length;
    const rows = await this.ledger.rows
      .find<Earlier>(exactly.length === 1 ? exactly[0]! : { $or: exactly }, { projection: SHOWN })
      .limit(most)
      .toArray();
    // Somebody's many copies may have taken the places of another's rows.
    if (rows.length === most && asked.length > 1)
      return (await Promise.all(asked.map((one) => this.rowsOf([one])))).flat();
    return asked.map(({ user_id, sha256 }) => rows.filter((row) => row.sha256 === sha256 && row.user_id === user_id));
  }
}
