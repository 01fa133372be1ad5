import { Injectable } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { Ledger } from '../uploads/ledger.js';
import type { Transcript } from '../uploads/results.js';
import type { Upload } from '../uploads/upload.schema.js';

/** Of someone who sends the same bytes again and again, not all are looked at. */
const MOST = 10;

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
    // Exactly the index and nothing else: the few rows it gives are quickly looked through.
    const same = await this.ledger.rows
      .find({ sha256, user_id }, { projection: { transcript: 1, language: 1 } })
      .limit(MOST)
      .toArray();
    const earlier = same.find((other) => other.language === language && other.transcript?.transcriber === engine);
    this.metrics.transcriptCache.labels(earlier ? 'hit' : 'miss').inc();
    return earlier?.transcript ?? null;
  }
}
