import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { Log } from '../common/logging.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { Config } from '../config/config.js';
import { AudioStore } from '../storage/audio-store.js';
import { UploadEraser } from '../uploads/upload.eraser.js';
import type { FileWithoutRecord } from './finding.js';
import { Inventory } from './inventory.js';
import type { Quarantined } from './quarantine.schema.js';
import { Verifier } from './verifier.js';

const HOUR_MS = 3_600_000;
/** Entries whose files are asked for together. */
const BATCH = 100;

/** Keeps what seems unwanted for `QUARANTINE_HOURS`, marked as such, and deletes it then if it still is. */
@Injectable()
export class Quarantine implements OnModuleInit {
  readonly entries: mongo.Collection<Quarantined>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly store: AudioStore,
    private readonly verifier: Verifier,
    private readonly inventory: Inventory,
    private readonly eraser: UploadEraser,
    private readonly config: Config,
    private readonly log: Log,
  ) {
    this.entries = nativeCollection<Quarantined>(connection, 'quarantine');
  }

  onModuleInit(): void {
    this.eraser.also((userId, sessionId) => this.eraseSession(userId, sessionId));
  }

  /** What its owner has erased waits for nothing. Whose bytes are, their file says: the row may be gone. */
  private async eraseSession(user_id: string, session_id: string): Promise<void> {
    let batch: Quarantined[] = [];
    const eraseBatch = async () => {
      const _id = { $in: batch.map((entry) => entry._id) };
      const owned = { _id, 'metadata.user_id': user_id, 'metadata.session_id': session_id };
      const files = await this.inventory.files.find(owned, { projection: { _id: 1 } }).toArray();
      const theirs = new Set(files.map((file) => file._id.toHexString()));
      for (const entry of batch) if (theirs.has(entry._id.toHexString())) await this.delete(entry);
      batch = [];
    };
    for await (const entry of this.entries.find({ state: 'held' }, { batchSize: BATCH }))
      if (batch.push(entry) === BATCH) await eraseBatch();
    if (batch.length > 0) await eraseBatch();
  }

  /** @returns false when it is held already, or belongs to another service: such files are left alone */
  async hold(finding: FileWithoutRecord, dryRun = false): Promise<boolean> {
    if (finding.reason === 'not_ours') return false;
    const { file_id, kind, reason, upload_id, size } = finding;
    const _id = new mongo.ObjectId(file_id);
    if (await this.entries.findOne({ _id, state: 'held' })) return false;
    if (dryRun) return true;
    const since = new Date();
    const until = new Date(since.getTime() + this.config.QUARANTINE_HOURS * HOUR_MS);
    // An entry that was closed long ago does not count for bytes that are there again.
    await this.entries.deleteOne({ _id, state: { $in: ['released', 'deleted'] } });
    try {
      await this.entries.insertOne({ _id, kind, reason, upload_id, size, state: 'held', since, until });
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
    if (kind === 'file') await this.store.annotate(file_id, { quarantined_at: since, quarantined_until: until });
    this.log.pino.warn({ file_id, upload_id, kind, reason, size, until }, 'Stored bytes without a row quarantined');
    return true;
  }

  /** Looks at everything that is held: what is wanted again is released, what is not and has had its time is deleted. */
  async review(dryRun = false): Promise<{ released: number; deleted: number }> {
    const report = { released: 0, deleted: 0 };
    for await (const entry of this.entries.find({ state: 'held' }, { batchSize: 100 })) {
      const unwanted = await this.isUnwanted(entry);
      if (unwanted && entry.until.getTime() > Date.now()) continue;
      report[unwanted ? 'deleted' : 'released'] += 1;
      if (dryRun) continue;
      if (unwanted) await this.delete(entry);
      else await this.release(entry);
    }
    return report;
  }

  private async isUnwanted({ _id }: Quarantined): Promise<boolean> {
    const found = await this.verifier.confirm(_id);
    return found?.some((each) => each.category === 'files_without_records' && each.reason !== 'not_ours') ?? false;
  }

  private async release({ _id, kind }: Quarantined): Promise<void> {
    const file_id = _id.toHexString();
    if (kind === 'file') await this.store.annotate(file_id, { quarantined_at: null, quarantined_until: null });
    await this.close(_id, 'released');
    this.log.pino.warn({ file_id }, 'Stored bytes released from quarantine: they are wanted, or gone');
  }

  private async delete({ _id, size, reason }: Quarantined): Promise<void> {
    const file_id = _id.toHexString();
    await this.store.delete(file_id);
    await this.close(_id, 'deleted');
    this.log.pino.info({ file_id, size, reason }, 'Stored bytes without a row deleted from quarantine');
  }

  private async close(_id: mongo.ObjectId, state: 'released' | 'deleted'): Promise<void> {
    await this.entries.updateOne({ _id, state: 'held' }, { $set: { state, closed_at: new Date() } });
  }
}
