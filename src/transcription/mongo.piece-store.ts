import { mongo } from 'mongoose';
import type { Ledger } from '../uploads/ledger.js';
import type { Piece, PieceStore } from './transcriber.js';

/** Work that is done sooner is done again as fast as it would be read back. */
const WORTH_KEEPING_MS = 10_000;

/** Keeps the finished pieces of one (upload, engine, language) in MongoDB, once an attempt has taken long enough to be worth it. */
export class MongoPieceStore implements PieceStore {
  private readonly startedAt = Date.now();
  private unsaved: Piece[] = [];

  constructor(
    private readonly ledger: Ledger,
    private readonly uploadId: mongo.ObjectId,
    private readonly engine: string,
    private readonly language: string | null,
    private readonly kept = { any: false },
  ) {}

  async load(): Promise<Piece[]> {
    const key = { upload_id: this.uploadId, engine: this.engine, language: this.language };
    const found = await this.ledger.pieces.find(key).toArray();
    this.kept.any ||= found.length > 0;
    return found.map(({ index, segments }) => ({ index, segments }));
  }

  async save(piece: Piece): Promise<void> {
    this.unsaved.push(piece);
    if (Date.now() - this.startedAt < WORTH_KEEPING_MS) return;
    const pieces = this.unsaved.splice(0);
    this.kept.any = true;
    for (const { index, segments } of pieces) {
      const key = { upload_id: this.uploadId, engine: this.engine, index };
      // Those that were heard in another language are written over.
      const piece = { language: this.language, segments, saved_at: new Date() };
      await this.ledger.pieces.updateOne(key, { $set: piece }, { upsert: true });
    }
    await this.ledger.forgetErased([this.uploadId]);
  }

  of(engine: string): MongoPieceStore {
    return new MongoPieceStore(this.ledger, this.uploadId, engine, this.language, this.kept);
  }

  /** Whether anything of this upload is in MongoDB, by any engine, to be removed when the whole is written. */
  get isUsed(): boolean {
    return this.kept.any;
  }
}
