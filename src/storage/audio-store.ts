import type { Readable } from 'node:stream';

export interface StoredAudio {
  id: string;
  /** Bytes. */
  size: number;
  uploadedAt: Date;
  metadata: Record<string, unknown>;
}

/** What is told of a file beside its bytes. */
export interface FileDescription {
  filename: string;
  /** Media type. */
  contentType: string;
  metadata: Record<string, unknown>;
}

/** What is known when a file is begun. */
export interface NewFile {
  /** What `finish` is given: S3 cannot add it later without a copy. */
  description?: FileDescription;
  /** Bytes are taken at once, and not one is written before this resolves. What it rejects with, the sink fails with. */
  after?: Promise<unknown>;
}

/** Takes one file's bytes in order. Nothing of it is visible as a file before `finish`. */
export interface AudioSink {
  readonly id: string;
  /** Resolves when the sink can take more; holds at most a few MiB. Rejects once the store has failed. */
  write(chunk: Buffer): Promise<void>;
  /** Resolves when every byte is durable (journaled by a majority). */
  finish(file: FileDescription): Promise<void>;
  /** Removes whatever was written. Safe to call at any time, more than once, also after `finish` failed. */
  abort(): Promise<void>;
}

/** Port: where audio bytes live. */
export abstract class AudioStore {
  /** Starts a file. `id` when the caller has recorded one already (24 hex; in S3 any key), else a new one. */
  abstract create(id?: string, file?: NewFile): AudioSink;
  /** Bytes from `start` to `end` (exclusive); errors on the stream when the file is not there. */
  abstract open(id: string, range?: { start: number; end: number }): Readable;
  abstract stat(id: string): Promise<StoredAudio | null>;
  /** Sets fields of the file's metadata; false when the file is not there. */
  abstract annotate(id: string, metadata: Record<string, unknown>): Promise<boolean>;
  /** Removes every byte; true if there was a file. Safe to repeat after a crash in between. */
  abstract delete(id: string): Promise<boolean>;
  /** Removes every byte of several files; rejects if one could not be removed. Safe to repeat. */
  async deleteAll(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.delete(id);
  }
  /** Every file that began to exist before `cutoff` and whose id starts with `under`, oldest first where the store can tell. */
  abstract listOlderThan(cutoff: Date, under?: string): AsyncIterable<StoredAudio>;
  /**
   * Removes what was begun and neither finished nor aborted, where the store keeps such a thing: for that file, or before that time
   * for ids that start so. The rest of a bucket is somebody else's.
   *
   * @returns how many
   */
  removeAbandoned(_of: { before: Date; under: string } | { id: string }): Promise<number> {
    return Promise.resolve(0);
  }
  /** Whether an error of this store says that it cannot be reached, or takes nothing from anybody just now. */
  isAway(_error: unknown): boolean {
    return false;
  }
  /** Resolves when the store can take bytes, rejects with the reason otherwise. */
  abstract check(): Promise<void>;
}
