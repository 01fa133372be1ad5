import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { GroupCommit } from '../common/group-commit.js';
import { grouped } from '../common/grouped.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Outbox } from '../events/outbox.js';
import { owedByText } from './row-events.js';
import type { Attempt, FinishedPiece, StageError, Upload, UploadState } from './upload.schema.js';
import { dueStage } from './upload.schema.js';

/** What is known of an upload before its first byte. */
export type NewUpload = Pick<
  Upload,
  '_id' | 'kind' | 'user_id' | 'session_id' | 'question_id' | 'language' | 'retain_audio' | 'correlation_id'
> & { file_name: string | null };

export interface ReceivedFile {
  file_id: mongo.ObjectId;
  content_type: string;
  size: number;
  sha256: string;
}

/**
 * The rows of `uploads`: who sent what for which target, and how far it is. Every change is a conditional update from the
 * state that was expected; a method that returns false lost the race, and its caller leaves quietly.
 */
@Injectable()
export class Ledger {
  readonly rows: mongo.Collection<Upload>;
  readonly attempts: mongo.Collection<Attempt>;
  readonly pieces: mongo.Collection<FinishedPiece>;
  /** The writes and reads that every upload and every stage makes. */
  readonly writes: GroupCommit<Upload>;
  private readonly attemptWrites: GroupCommit<Attempt>;
  private readonly read = grouped((ids: readonly mongo.ObjectId[]) => this.readAll(ids));

  constructor(
    @InjectConnection() connection: Connection,
    private readonly outbox: Outbox,
  ) {
    this.rows = nativeCollection<Upload>(connection, 'uploads');
    this.writes = new GroupCommit(this.rows);
    this.attempts = nativeCollection<Attempt>(connection, 'attempts');
    this.attemptWrites = new GroupCommit(this.attempts);
    this.pieces = nativeCollection<FinishedPiece>(connection, 'transcription_pieces');
  }

  /** Records that bytes are about to be written under `fileId`. The first thing an upload does. */
  async begin(upload: NewUpload, fileId: mongo.ObjectId, leaseMs: number): Promise<void> {
    const now = new Date();
    await this.writes.insert({
      ...upload,
      state: 'uploading',
      source: 'audio',
      file_id: fileId,
      audio_state: 'stored',
      created_at: now,
      updated_at: now,
      lease_until: new Date(now.getTime() + leaseMs),
      committed_at: null,
      error: null,
      version: 0,
      stages: {},
    });
  }

  async renew(id: mongo.ObjectId, leaseMs: number): Promise<boolean> {
    return this.change({ _id: id, state: 'uploading' }, { lease_until: new Date(Date.now() + leaseMs) });
  }

  /** Every byte is durable: from here on the row is kept, and its first stage is due. Returns when; null if it was given up before. */
  async commit(id: mongo.ObjectId, file: ReceivedFile, language: string | null): Promise<Date | null> {
    const now = new Date();
    const { content_type, size, sha256 } = file;
    const stages = { transcription: dueStage(now) };
    const set = {
      state: 'committed' as const,
      content_type,
      size,
      sha256,
      language,
      committed_at: now,
      lease_until: null,
      link_due: true as const,
      stages,
      updated_at: now,
    };
    const committed = await this.writes.update({
      filter: { _id: id, state: 'uploading' },
      update: { $set: set },
      which: { _id: id },
      shows: (row) => row.committed_at?.getTime() === now.getTime(),
    });
    return committed ? now : null;
  }

  /** A take that was written, not spoken: there is nothing to receive or transcribe. */
  async insertText(upload: NewUpload, text: string, sha256: string): Promise<void> {
    const now = new Date();
    await this.writes.insert({
      ...upload,
      state: 'committed',
      source: 'text',
      file_id: null,
      audio_state: 'none',
      created_at: now,
      updated_at: now,
      committed_at: now,
      link_due: true,
      error: null,
      version: 0,
      size: Buffer.byteLength(text),
      sha256,
      transcript: { text, segments: [], language: upload.language, duration: null, transcriber: 'text' },
      transcribed_at: now,
      stages: { analysis: dueStage(now) },
      ...owedByText(this.outbox, upload),
    });
  }

  /** It never arrived whole, or arrived for nobody. The caller removes what there is of its bytes. */
  async failUpload(id: mongo.ObjectId, error: StageError): Promise<boolean> {
    return this.change(
      { _id: id, state: { $in: ['uploading', 'committed'] }, $or: [{ state: 'uploading' }, { link_due: true }] },
      { state: 'failed', error, audio_state: 'deleting', stages: {}, lease_until: null },
      // What was written goes as what was spoken does.
      ['link_due', 'events_due', 'owed', 'transcript', 'transcribed_at'],
    );
  }

  /**
   * The same content is the target's already: this row ends here. Its own copy of the bytes is to be deleted.
   *
   * @param file null for a text
   */
  async closeAsDuplicate(id: mongo.ObjectId, of: string, file: ReceivedFile | null): Promise<boolean> {
    const received = file && {
      content_type: file.content_type,
      size: file.size,
      sha256: file.sha256,
      audio_state: 'deleting',
    };
    return this.change(
      { _id: id, state: { $in: ['uploading', 'committed'] } },
      { state: 'duplicate', duplicate_of: of, ...received, stages: {}, lease_until: null },
      ['link_due', 'events_due', 'owed'],
    );
  }

  /**
   * A newer take replaced this one: its work in hand loses its token, its file is to be deleted.
   *
   * @returns the row as it was, null when it no longer stood for anything
   */
  async supersede(uploadId: string, by: string): Promise<Upload | null> {
    const row = await this.find(uploadId);
    if (row?.state !== 'committed') return null;
    const changed = await this.change(
      { _id: row._id, state: 'committed' },
      {
        state: 'superseded',
        superseded_by: by,
        superseded_at: new Date(),
        audio_state: row.audio_state === 'stored' ? 'deleting' : row.audio_state,
        // Whether or not its archiving has begun by now: that is fenced by this.
        ...(row.retain_audio ? { kept_state: 'releasing' } : {}),
        ...Object.fromEntries(Object.keys(row.stages).map((stage) => [`stages.${stage}.token`, null])),
      },
      ['link_due', 'projection_due', 'events_due', 'owed'],
    );
    return changed ? row : null;
  }

  /** The target refers to this row for sure. */
  async linked(id: mongo.ObjectId): Promise<void> {
    await this.rows.updateOne(
      { _id: id, link_due: true },
      { $set: { linked_at: new Date() }, $unset: { link_due: 1 } },
    );
  }

  async audioDeleted(id: mongo.ObjectId): Promise<void> {
    await this.change({ _id: id, audio_state: 'deleting' }, { audio_state: 'deleted', audio_deleted_at: new Date() });
  }

  async find(id: mongo.ObjectId | string): Promise<Upload | null> {
    return this.read(typeof id === 'string' ? new mongo.ObjectId(id) : id);
  }

  private async readAll(ids: readonly mongo.ObjectId[]): Promise<(Upload | null)[]> {
    if (ids.length === 1) return [await this.rows.findOne({ _id: ids[0]! })];
    const rows = new Map<string, Upload>();
    for await (const row of this.rows.find({ _id: { $in: [...ids] } })) rows.set(row._id.toHexString(), row);
    return ids.map((id) => rows.get(id.toHexString()) ?? null);
  }

  async findOwn(userId: string, id: string): Promise<Upload | null> {
    return this.rows.findOne({ _id: new mongo.ObjectId(id), user_id: userId });
  }

  /** Newest first. `before`: only rows older than this id. */
  async list(
    filter: { user_id: string; session_id?: string; shown?: mongo.Filter<Upload> },
    limit: number,
    before?: string,
  ): Promise<Upload[]> {
    const { shown, ...own } = filter;
    return this.rows
      .find({ ...own, ...shown, ...(before ? { _id: { $lt: new mongo.ObjectId(before) } } : {}) })
      .sort({ _id: -1 })
      .limit(limit)
      .toArray();
  }

  async attemptsOf(ids: mongo.ObjectId[]): Promise<Attempt[]> {
    return this.attempts
      .find({ upload_id: { $in: ids } })
      .sort({ _id: 1 })
      .toArray();
  }

  /** Uploads of a session that are arriving, or have arrived and are not marked as linked yet: their target may know them. */
  async arriving(userId: string, sessionId: string): Promise<Pick<Upload, '_id' | 'question_id'>[]> {
    return this.rows
      .find(
        {
          user_id: userId,
          session_id: sessionId,
          $or: [
            { state: 'uploading', lease_until: { $gt: new Date() } },
            { state: 'committed', link_due: true },
          ],
        },
        { projection: { _id: 1, question_id: 1 } },
      )
      .toArray();
  }

  async record(attempt: Omit<Attempt, '_id'>): Promise<void> {
    await this.attemptWrites.insert({ _id: new mongo.ObjectId(), ...attempt });
    await this.forgetErased([attempt.upload_id]);
  }

  async recordAll(attempts: readonly Omit<Attempt, '_id'>[]): Promise<void> {
    const rows = attempts.map((attempt) => ({ _id: new mongo.ObjectId(), ...attempt }));
    await this.attempts.insertMany(rows, { ordered: false });
    await this.forgetErased(attempts.map(({ upload_id }) => upload_id));
  }

  /**
   * Whoever writes beside a row asks for this afterwards: a row that was erased meanwhile leaves nothing. What comes before the row
   * is gone is the eraser's, who looks once more after it.
   */
  async forgetErased(ids: readonly mongo.ObjectId[]): Promise<void> {
    const rows = await this.rows.find({ _id: { $in: [...ids] } }, { projection: { _id: 1 } }).toArray();
    const there = new Set(rows.map(({ _id }) => _id.toHexString()));
    const gone = ids.filter((id) => !there.has(id.toHexString()));
    if (gone.length > 0) await this.deleteBeside(gone);
  }

  /** What is kept of rows outside of them. */
  async deleteBeside(ids: readonly mongo.ObjectId[]): Promise<void> {
    const of = { upload_id: { $in: [...ids] } };
    await Promise.all([this.attempts.deleteMany(of), this.pieces.deleteMany(of)]);
  }

  /** A try that is not counted: those that end alike share a row, so that a long outage leaves no pile of them. */
  async recordAgain(attempt: Omit<Attempt, '_id'>): Promise<void> {
    const { upload_id, stage, number, outcome, error } = attempt;
    const alike = { upload_id, stage, number, outcome, 'error.code': error?.code } as mongo.Filter<Attempt>;
    const last = await this.attempts.findOne(alike, { sort: { _id: -1 }, projection: { from: 1, times: 1 } });
    await this.record(last ? { ...attempt, from: last.from, times: (last.times ?? 1) + 1 } : attempt);
    // Replaced, not changed: its id tells when it ended.
    if (last) await this.attempts.deleteOne({ _id: last._id });
  }

  /** A conditional update; `visible` when the target is to show it. */
  async change(
    filter: mongo.Filter<Upload>,
    set: Record<string, unknown>,
    unset: string[] = [],
    visible = false,
  ): Promise<boolean> {
    const { modifiedCount } = await this.rows.updateOne(filter, {
      $set: { ...set, updated_at: new Date() },
      ...(unset.length > 0 ? { $unset: Object.fromEntries(unset.map((field) => [field, 1])) } : {}),
      ...(visible ? { $inc: { version: 1 } } : {}),
    });
    return modifiedCount === 1;
  }
}

/** The states in which a row no longer stands for anything. */
export const CLOSED_STATES: readonly UploadState[] = ['superseded', 'duplicate', 'failed'];
