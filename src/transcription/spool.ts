import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, TransientError } from '../common/app-error.js';
import { readFault } from './ffmpeg-verdict.js';
import type { AudioSource } from './transcriber.js';

const PREFIX = 'spool-';
/** A file has a name only for the moment between its making and its unlinking: an older one is a crash's. */
const LEFTOVER_MS = 60_000;
/** A disk is seldom emptied sooner. */
const LOOK_AGAIN_S = 30;

/** Copies audio that must be seekable into files that have no name any more, so that nothing has to be cleaned up after a crash. */
export class Spool {
  private leftovers: Promise<void> | null = null;

  /** @param folder made when it is needed */
  constructor(private readonly folder: string) {}

  /**
   * @returns the file, at its start; to be closed
   * @throws TransientError `scratch_unwritable` where this machine's disk is at fault, `audio_unreadable` where the store is
   */
  async copy(audio: AudioSource, signal: AbortSignal): Promise<FileHandle> {
    const file = await onDisk(this.nameless());
    const source = audio.open();
    try {
      let position = 0;
      const onAbort = () => source.destroy(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        if (signal.aborted) onAbort();
        for await (const chunk of source as AsyncIterable<Buffer>) {
          // Written by position: the descriptor that ffmpeg inherits stays at the start.
          for (let sent = 0; sent < chunk.length;) {
            const { bytesWritten } = await onDisk(file.write(chunk, sent, chunk.length - sent, position));
            sent += bytesWritten;
            position += bytesWritten;
          }
        }
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
      signal.throwIfAborted();
      return file;
    } catch (error) {
      source.destroy();
      await file.close();
      signal.throwIfAborted();
      throw error instanceof AppError ? error : readFault(error);
    }
  }

  private async nameless(): Promise<FileHandle> {
    // One that failed is no reason for the next one to fail.
    await (this.leftovers ??= this.removeLeftovers().catch((error: unknown) => {
      this.leftovers = null;
      throw error;
    }));
    const path = join(this.folder, `${PREFIX}${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    try {
      await rm(path);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private async removeLeftovers(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    for (const name of await readdir(this.folder)) {
      if (!name.startsWith(PREFIX)) continue;
      const path = join(this.folder, name);
      const made = await stat(path).then(
        (found) => found.mtimeMs,
        () => Infinity,
      );
      if (Date.now() - made > LEFTOVER_MS) await rm(path, { force: true });
    }
  }
}

/** A full or broken disk is this machine's fault, not the audio's: it is tried until there is room. */
async function onDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const message = 'The worker cannot write to its scratch folder: its disk is full or broken.';
    throw new TransientError('scratch_unwritable', message, { uncounted: true, retryAfter: LOOK_AGAIN_S, cause });
  }
}
