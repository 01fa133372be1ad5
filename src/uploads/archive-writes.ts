import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { isDuplicateKey, isMongoAway } from '../common/mongo-errors.js';
import { Config } from '../config/config.js';
import { Archives } from '../storage/archives.js';
import { isArchiveAway } from './archive-away.js';
import type { ArchiveWrite } from './archive-write.schema.js';
import type { ArchiveName, KeptAudio } from './kept-audio.schema.js';

/** A deletion that takes longer has lost its process. */
const EMPTYING_MS = 60_000;
/** When to ask again for a key that is being emptied. */
const LOOK_AGAIN_S = 2;
/** Keys in one sweep; the next one goes on. */
const MOST = 1000;

/** The keys that are being written to in the archive, so that no death of a process leaves bytes there that nothing knows of. */
@Injectable()
export class ArchiveWrites {
  private readonly writes: mongo.Collection<ArchiveWrite>;
  private readonly kept: mongo.Collection<KeptAudio>;
  private readonly longestMs: number;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly archives: Archives,
    private readonly log: Log,
    config: Config,
  ) {
    this.writes = nativeCollection<ArchiveWrite>(connection, 'archive_writes');
    this.kept = nativeCollection<KeptAudio>(connection, 'kept_audio');
    this.longestMs = config.ARCHIVE_TIMEOUT_S * 1000;
  }

  /**
   * Before the first byte is written, and after the kept audio names the key.
   *
   * @throws TransientError while the sweep deletes what an earlier attempt left there
   */
  async begin(store: ArchiveName, key: string): Promise<void> {
    const until = new Date(Date.now() + this.longestMs);
    try {
      await this.writes.updateOne(
        { _id: idOf(store, key), emptying: { $exists: false } },
        { $set: { store, key, until } },
        { upsert: true },
      );
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const message = 'What an earlier attempt left is being deleted just now';
      throw new TransientError('audio_busy', message, { retryAfter: LOOK_AGAIN_S, uncounted: true, cause: error });
    }
  }

  /** Kept audio is there for good. Nobody need wait for it: the sweep sees the same. */
  over(store: ArchiveName, key: string): void {
    this.writes.deleteOne({ _id: idOf(store, key) }).catch(() => undefined);
  }

  async knows(key: string): Promise<boolean> {
    return (await this.writes.findOne({ key }, { projection: { _id: 1 } })) !== null;
  }

  /**
   * Deletes what is under keys whose writers have to be over, and which no kept audio names.
   *
   * @returns how many such keys there were
   */
  async empty(dryRun: boolean, signal: AbortSignal): Promise<number> {
    const overdue = { until: { $lt: new Date() } };
    if (dryRun) return this.writes.countDocuments(overdue);
    const writes = await this.writes.find(overdue).limit(MOST).toArray();
    for (const write of writes) {
      if (signal.aborted) break;
      try {
        await this.emptyOne(write);
      } catch (error) {
        if (isMongoAway(error)) throw error;
        this.log.pino.warn(
          { err: error, store: write.store },
          'What an attempt left in the archive is not deleted yet',
        );
        if (isArchiveAway(error)) break;
      }
    }
    return writes.length;
  }

  /** Marked first, looked at then: whoever writes there names the key first, and is refused then. */
  private async emptyOne({ _id, store, key, until }: ArchiveWrite): Promise<void> {
    const mark = { emptying: true as const, until: new Date(Date.now() + EMPTYING_MS) };
    if ((await this.writes.updateOne({ _id, until }, { $set: mark })).modifiedCount !== 1) return;
    const named = await this.kept.findOne({ store, key });
    if (named && named.state !== 'live') {
      // An attempt that failed: the next one takes another key, or the same.
      const later = new Date(Date.now() + this.longestMs);
      await this.writes.updateOne({ _id }, { $set: { until: later }, $unset: { emptying: 1 } });
      return;
    }
    if (!named) {
      const deleted = await this.deleteBytes(store, key);
      if (deleted) this.log.pino.info({ store, key }, 'Deleted what an attempt left in the archive');
    }
    await this.writes.deleteOne({ _id });
  }

  private async deleteBytes(store: ArchiveName, key: string): Promise<boolean> {
    try {
      return await this.archives.of(store).delete(key);
    } catch (error) {
      throw this.archives.translated(store, error);
    }
  }
}

const idOf = (store: ArchiveName, key: string): string => `${store}/${key}`;
