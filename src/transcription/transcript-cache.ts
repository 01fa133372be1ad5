import { Injectable } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { Ledger } from '../uploads/ledger.js';
import type { Transcript } from '../uploads/results.js';
import type { Upload } from '../uploads/upload.schema.js';

/**
 * A user's same bytes are never transcribed twice by the same engine in the same language: the ledger's earlier rows are the cache,
 * and go with the owner's data. Nothing that one user can see or time depends on another user's files.
 */
@Injectable()
export class TranscriptCache {
  constructor(
    private readonly ledger: Ledger,
    private readonly metrics: Metrics,
  ) {}

  /** @param engine id of the engine that would transcribe it now */
  async find(row: Upload, engine: string): Promise<Transcript | null> {
    const { user_id, sha256, language } = row;
    const earlier = await this.ledger.rows.findOne({
      user_id,
      sha256,
      language,
      _id: { $ne: row._id },
      'transcript.transcriber': engine,
    });
    this.metrics.transcriptCache.labels(earlier ? 'hit' : 'miss').inc();
    return earlier?.transcript ?? null;
  }
}
