import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { isDuplicateKey, isMongoAway } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import { Archives } from '../storage/archives.js';
import { hashOf } from '../storage/audio-hash.js';
import { isArchiveAway } from './archive-away.js';
import { ArchiveWrites } from './archive-writes.js';
import type { KeptAudio } from './kept-audio.schema.js';
import { Ledger } from './ledger.js';
import type { Claim } from './stage-ledger.js';
import type { Upload } from './upload.schema.js';

/** A deletion that takes longer has lost its process. */
const STALE_MS = 60_000;
/** How long, and how often, who deletes waits for somebody else who is at the same audio. */
const PATIENCE_MS = 5000;
const GLANCE_MS = 100;
/** When to look again at what somebody else is storing or deleting. */
const LOOK_AGAIN_S = 2;
/** What a row is to kept audio that it refers to, or has yet to give up. */
const REFERRING: NonNullable<Upload['kept_state']>[] = ['linking', 'kept', 'releasing'];
/** References given up in one sweep. */
const MOST = 1000;

/**
 * Who refers to which kept audio. Whoever links writes the reference first and looks at the audio then; whoever deletes marks the
 * audio first and counts the references then: one of the two always sees the other.
 */
@Injectable()
export class AudioKeeper {
  readonly kept: mongo.Collection<KeptAudio>;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly ledger: Ledger,
    private readonly archives: Archives,
    private readonly writes: ArchiveWrites,
    private readonly config: Config,
    private readonly log: Log,
  ) {
    this.kept = nativeCollection<KeptAudio>(connection, 'kept_audio');
  }

  /**
   * Makes the claimed row refer to the kept audio of its bytes.
   *
   * @returns null when the claim is lost
   * @throws TransientError while that audio is being deleted
   */
  async link(claim: Claim): Promise<KeptAudio | null> {
    const { row } = claim;
    const audio = (await this.find(row)) ?? (await this.insert(row));
    const held = {
      _id: row._id,
      state: 'committed' as const,
      [`stages.${claim.stage}.token`]: claim.token,
    };
    const linked = { kept_id: audio._id, kept_state: 'linking' as const };
    // Or it was made, and MongoDB was killed before it could tell: an end without a link would be none.
    if (!(await this.ledger.change(held, linked)) && !(await this.ledger.rows.findOne({ ...held, ...linked })))
      return null;
    const now = await this.kept.findOne({ _id: audio._id });
    if (!now || now.state === 'deleting') throw busy('The same audio is being deleted just now');
    return now;
  }

  private find({ user_id, sha256 }: Upload): Promise<KeptAudio | null> {
    return this.kept.findOne({ user_id, sha256 });
  }

  private async insert(row: Upload): Promise<KeptAudio> {
    const now = new Date();
    const audio: KeptAudio = {
      _id: new mongo.ObjectId(),
      user_id: row.user_id,
      sha256: row.sha256 ?? '',
      state: 'storing',
      store: this.archives.name,
      key: null,
      by: row._id,
      token: null,
      content_type: row.content_type ?? '',
      size: row.size ?? 0,
      created_at: now,
      updated_at: now,
    };
    try {
      await this.kept.insertOne(audio);
      return audio;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const other = await this.find(row);
      if (!other) throw busy('The same audio is being deleted just now');
      return other;
    }
  }

  /**
   * Reserves the storing of an audio for one row.
   *
   * @param key under which it is about to be written
   * @param patienceMs how long another row's worker may take
   * @returns the key of an earlier attempt, whose bytes are to be removed; null when there was none
   * @throws TransientError while another row's worker is storing the same bytes, or has just done so
   */
  async reserve(audio: KeptAudio, row: Upload, key: string, patienceMs: number): Promise<string | null> {
    const isOurs = audio.by.equals(row._id) || audio.key === null;
    if (!isOurs && Date.now() - audio.updated_at.getTime() < patienceMs) throw busy('The same audio is being stored');
    const asSeen = { _id: audio._id, state: 'storing' as const, key: audio.key, by: audio.by };
    const set = { key, by: row._id, store: this.archives.name, updated_at: new Date() };
    const { modifiedCount } = await this.kept.updateOne(asSeen, { $set: set });
    if (modifiedCount !== 1) throw busy('The same audio is being stored');
    return audio.store === this.archives.name && audio.key !== key ? audio.key : null;
  }

  /**
   * Whether live audio is where the ledger says, and still is what it was: a bucket's lifecycle rule, or a person, may have deleted
   * it without telling. It is read and hashed: another row's copy, maybe the last one, is about to go because of it.
   *
   * @returns the audio to be stored anew where it is not
   * @throws TransientError when it changed meanwhile
   */
  async missing(audio: KeptAudio, signal: AbortSignal): Promise<KeptAudio | null> {
    if (audio.key !== null && (await this.isThere(audio, audio.key, signal))) return null;
    // What there is of it may still be there.
    if (audio.key !== null) await this.writes.begin(audio.store, audio.key);
    const asSeen = { _id: audio._id, state: 'live' as const, key: audio.key };
    const set = { state: 'storing' as const, key: null, updated_at: new Date() };
    if ((await this.kept.updateOne(asSeen, { $set: set })).modifiedCount !== 1)
      throw busy('The same audio is being stored');
    this.log.pino.warn(
      { kept_id: audio._id.toHexString(), store: audio.store },
      'Kept audio was gone or altered, is stored anew',
    );
    return { ...audio, ...set };
  }

  private async isThere({ store, size, sha256 }: KeptAudio, key: string, signal: AbortSignal): Promise<boolean> {
    const archive = this.archives.of(store);
    if ((await archive.stat(key))?.size !== size) return false;
    return (await hashOf(archive, key, () => signal.throwIfAborted())) === sha256;
  }

  /** Every byte is there and was checked. False when the storing was given to somebody else meanwhile. */
  async stored(audio: KeptAudio, row: Upload, key: string): Promise<boolean> {
    const ours = { _id: audio._id, state: 'storing' as const, key, by: row._id };
    const { modifiedCount } = await this.kept.updateOne(ours, { $set: { state: 'live', updated_at: new Date() } });
    return modifiedCount === 1;
  }

  /** Whether any kept audio is, or is to be, under this key. */
  async names(key: string): Promise<boolean> {
    return (await this.kept.findOne({ key })) !== null;
  }

  /** The row's reference ends; with the last one the bytes go. Safe to repeat. True if bytes were deleted. */
  async release(row: Pick<Upload, '_id' | 'kept_id'>): Promise<boolean> {
    await this.ledger.change({ _id: row._id }, { kept_state: 'releasing' });
    const deleted = row.kept_id ? await this.collect(row.kept_id) : false;
    await this.ledger.change({ _id: row._id, kept_state: 'releasing' }, { kept_state: 'released' });
    return deleted;
  }

  /** What the requests and workers left: rows that no longer stand for anything. @returns how many there were */
  async releaseOverdue(dryRun: boolean, signal: AbortSignal): Promise<number> {
    const before = new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000);
    const overdue = { kept_state: 'releasing' as const, updated_at: { $lt: before } };
    if (dryRun) return this.ledger.rows.countDocuments(overdue);
    const rows = await this.ledger.rows
      .find(overdue, { projection: { kept_id: 1 } })
      .limit(MOST)
      .toArray();
    for (const row of rows) {
      if (signal.aborted) break;
      try {
        await this.release(row);
      } catch (error) {
        if (isMongoAway(error)) throw error;
        // One that cannot be released must not keep the others; while the archive is away, none can be.
        this.log.pino.warn({ err: error, upload_id: row._id.toHexString() }, 'Kept audio not released yet');
        if (isArchiveAway(error)) break;
      }
    }
    return rows.length;
  }

  /**
   * Kept audio that was recorded for a row which then never referred to it: its worker died in between, and the row ended before
   * another took it; not a byte of it was written. And what was marked for deletion by a process that died, where no row has yet to
   * give it up, which would end it: rows may wait for it.
   *
   * @returns how many there were
   */
  async collectUnlinked(dryRun: boolean, signal: AbortSignal): Promise<number> {
    const before = new Date(Date.now() - this.config.DISPATCH_GRACE_S * 1000);
    const unwritten = { state: 'storing' as const, key: null, updated_at: { $lt: before } };
    const marked = { state: 'deleting' as const, updated_at: { $lt: new Date(Date.now() - STALE_MS) } };
    const found = await this.kept
      .find({ $or: [unwritten, marked] }, { projection: { state: 1 } })
      .limit(MOST)
      .toArray();
    let count = 0;
    for (const { _id, state } of found) {
      if (signal.aborted) break;
      if (await this.isReferredTo(_id, state === 'storing' ? REFERRING : ['releasing'])) continue;
      try {
        if (!dryRun) await this.collect(_id, 0);
        count += 1;
      } catch (error) {
        if (isMongoAway(error)) throw error;
        this.log.pino.warn({ err: error, kept_id: _id.toHexString() }, 'Kept audio without a row not deleted yet');
        if (isArchiveAway(error)) break;
      }
    }
    return count;
  }

  /**
   * Deletes kept audio that no row refers to (any more). True if bytes were deleted, by this call or by another at the same time.
   *
   * @throws TransientError while another process is at it; AppError `archive_away`
   */
  async collect(id: mongo.ObjectId, patienceMs = PATIENCE_MS): Promise<boolean> {
    const token = randomUUID();
    const audio = await this.kept.findOne({ _id: id });
    if (!audio) return true;
    const isFree = audio.state !== 'deleting' || Date.now() - audio.updated_at.getTime() > STALE_MS;
    if (!isFree) {
      // Somebody is at it, mostly for a moment, to find that others refer to it; if that process dies, the sweep comes by.
      if (patienceMs <= 0) throw busy('The same audio is being deleted by another process');
      await pause(GLANCE_MS);
      return this.collect(id, patienceMs - GLANCE_MS);
    }
    const asSeen = { _id: id, state: audio.state, token: audio.token };
    const mark = { state: 'deleting' as const, token, updated_at: new Date() };
    if ((await this.kept.updateOne(asSeen, { $set: mark })).modifiedCount !== 1) return this.collect(id, patienceMs);
    const state = await this.wantedAs(audio);
    if (state !== null) {
      await this.kept.updateOne({ _id: id, state: 'deleting', token }, { $set: { state, token: null } });
      return false;
    }
    const deleted = audio.key !== null && (await this.deleteBytes(audio, audio.key, token));
    await this.kept.deleteOne({ _id: id, state: 'deleting', token });
    this.log.pino.info({ kept_id: id.toHexString(), store: audio.store }, 'Kept audio deleted');
    return deleted;
  }

  /** What an audio that is marked for deletion is to be again, as it was found before; null where no row refers to it. */
  private async wantedAs({ _id, state }: KeptAudio): Promise<KeptAudio['state'] | null> {
    if (!(await this.ledger.rows.findOne({ kept_id: _id, kept_state: { $in: ['linking', 'kept'] } }))) return null;
    if (state !== 'deleting') return state;
    // A dead process had marked it. While a row keeps it no byte of it was deleted, else it must be stored anew.
    return (await this.ledger.rows.findOne({ kept_id: _id, kept_state: 'kept' })) ? 'live' : 'storing';
  }

  private async deleteBytes({ _id, store }: KeptAudio, key: string, token: string): Promise<boolean> {
    try {
      return await this.archives.of(store).delete(key);
    } catch (error) {
      // It stays marked, and whoever comes next need not wait for us.
      await this.kept.updateOne({ _id, state: 'deleting', token }, { $set: { updated_at: new Date(0) } });
      throw this.archives.translated(store, error);
    }
  }

  /** Whether any row refers to it, or has yet to give it up. */
  async isReferredTo(id: mongo.ObjectId, as = REFERRING): Promise<boolean> {
    const referring = { kept_id: id, kept_state: { $in: as } };
    return (await this.ledger.rows.findOne(referring, { projection: { _id: 1 } })) !== null;
  }

  /** What a row's kept audio is, null where it has none (any more). */
  async of(row: Upload): Promise<KeptAudio | null> {
    if (row.kept_state !== 'kept' || !row.kept_id) return null;
    return this.kept.findOne({ _id: row.kept_id });
  }
}

function busy(message: string): TransientError {
  return new TransientError('audio_busy', message, { retryAfter: LOOK_AGAIN_S, uncounted: true });
}
