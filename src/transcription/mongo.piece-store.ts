import { mongo } from 'mongoose';
import type { Ledger } from '../uploads/ledger.js';
import type { Piece, PieceStore } from './transcriber.js';

/** Work that is done sooner is done again as fast as it would be read back. */
const WORTH_KEEPING_MS = 10_000;

/** Keeps the finished pieces of one (upload, engine) in MongoDB, once an attempt has taken long enough to be worth it. */
export class MongoPieceStore implements PieceStore {
  private readonly startedAt = Date.now();
  private unsaved: Piece[] = [];
  private kept = false;

  constructor(
    private readonly ledger: Ledger,
    private readonly uploadId: mongo.ObjectId,
    private readonly engine: string,
  ) {}

  async load(): Promise<Piece[]> {
    const found = await this.ledger.pieces.find({ upload_id: this.uploadId, engine: this.engine }).toArray();
    this.kept = found.length > 0;
    return found.map(({ index, segments }) => ({ index, segments }));
  }

  async save(piece: Piece): Promise<void> {
    this.unsaved.push(piece);
    if (Date.now() - this.startedAt < WORTH_KEEPING_MS) return;
    const pieces = this.unsaved.splice(0);
    this.kept = true;
    for (const { index, segments } of pieces) {
      const key = { upload_id: this.uploadId, engine: this.engine, index };
      await this.ledger.pieces.updateOne(key, { $set: { segments, saved_at: new Date() } }, { upsert: true });
    }
    await this.ledger.forgetErased([this.uploadId]);
  }

  of(engine: string): MongoPieceStore {
    return new MongoPieceStore(this.ledger, this.uploadId, engine);
  }

  /** Whether anything of this upload is in MongoDB, to be removed when the whole is written. */
  get isUsed(): boolean {
    return this.kept;
  }
}
