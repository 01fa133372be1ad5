import type { Readable } from 'node:stream';
import type { Segment, Transcript } from '../uploads/results.js';

export type { Segment, Transcript };

/** Stored audio as a transcriber sees it: bytes that can be read from the start as often as needed. */
export interface AudioSource {
  /** Opens a fresh stream over the whole file. */
  open(): Readable;
  /** Bytes. */
  readonly size: number;
  /** Sniffed media type, never the client's claim: audio/webm, audio/ogg, audio/wav, audio/mpeg, audio/mp4, audio/flac. */
  readonly contentType: string;
}

/** One finished piece of a long file, kept so that a later attempt need not do it again. */
export interface Piece {
  /** Position in the file's deterministic cut, from 0. */
  index: number;
  segments: Segment[];
}

/** Keeps finished pieces of one (upload, engine); a retry continues after them. */
export interface PieceStore {
  load(): Promise<Piece[]>;
  save(piece: Piece): Promise<void>;
  /** The same upload's pieces of another engine, which cuts and hears differently. */
  of(engine: string): PieceStore;
}

export interface TranscriptionRequest {
  audio: AudioSource;
  /** ISO 639-1, or null to detect where the engine can. */
  language: string | null;
  /** Aborts the work itself: child processes are killed, HTTP requests cancelled. */
  signal: AbortSignal;
  /** Told the audio's length in seconds as far as it is known; the job's time limit grows with it. */
  onDuration(seconds: number): void;
  pieces: PieceStore;
}

/**
 * Port: turns stored audio into text.
 *
 * Throws `PermanentError` for audio or a language that can never succeed, `TransientError` (with `retryAfter` where the
 * other side named one) for what may pass, and the signal's reason when aborted.
 */
export abstract class Transcriber {
  /** Engine and version; part of the transcript cache's key. */
  abstract readonly id: string;
  abstract transcribe(request: TranscriptionRequest): Promise<Transcript>;
  /** Whether it may be asked for speech in that language; null is speech that nobody has named a language of. */
  understands(_language: string | null): boolean {
    return true;
  }
  /** Resolves when the engine can take work, rejects with the reason otherwise. Cheap enough for a readiness probe. */
  abstract check(): Promise<void>;
  /** Frees child processes and connections. */
  abstract close(): Promise<void>;
}
