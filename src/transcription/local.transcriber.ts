import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { PermanentError, TransientError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { SAMPLE_RATE, type Ffmpeg } from './ffmpeg.js';
import type { Turn } from '../engine/engine.js';
import { LocalEngine } from './local-engine.js';
import { findLocalModels, type LocalModels } from './local-models.js';
import { PieceCutter, type SpeechPiece } from './pieces.js';
import { Transcriber, type Piece, type Segment, type Transcript, type TranscriptionRequest } from './transcriber.js';
import { freshMemory, VAD_WINDOW } from './vad-window.js';

/** Samples that are looked at for speech at once: 2 s, a few milliseconds of work. */
const BLOCK = VAD_WINDOW * 64;
/** Below this mean log probability of its tokens a text is a guess (Whisper's threshold for a failed decode). */
const LEAST_CONFIDENCE = -1;

/**
 * The engine in the box: ffmpeg, Silero VAD and Moonshine-tiny (English). Times of segments are those of the speech
 * between two pauses. Memory does not grow with the audio's length.
 */
export class LocalTranscriber extends Transcriber {
  readonly id: string;
  private readonly models: LocalModels;
  private readonly engine: LocalEngine;

  /** @throws Error when the packages with the weights are not installed */
  constructor(
    config: Config,
    private readonly ffmpeg: Ffmpeg,
  ) {
    super();
    this.models = findLocalModels();
    this.id = `local/moonshine-tiny-${this.models.version}`;
    this.engine = new LocalEngine({
      threads: config.LOCAL_INTRA_THREADS || Math.min(4, availableParallelism()),
      memoryLimitMb: config.LOCAL_MEMORY_LIMIT_MB,
    });
  }

  /**
   * @throws PermanentError `language_unsupported` for anything but English, and those of `Ffmpeg`
   * @throws TransientError those of `LocalEngine` and `Ffmpeg`
   */
  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    const language = request.language ?? 'en';
    if (!/^en\b/i.test(language)) throw unsupported(language);
    request.signal.throwIfAborted();

    const segments: Segment[] = [];
    let decoded = 0;
    const onDecoded = (samples: number) => {
      decoded += samples;
      request.onDuration(decoded / SAMPLE_RATE);
    };
    // What was begun ahead is nobody's once this ends, however it ends.
    const over = new AbortController();
    const signal = AbortSignal.any([request.signal, over.signal]);
    try {
      for await (const { piece, isNew } of ahead(this.recognised({ ...request, signal }, onDecoded))) {
        if (isNew) await request.pieces.save(piece);
        segments.push(...piece.segments);
      }
    } finally {
      over.abort();
    }
    request.signal.throwIfAborted();
    return {
      text: segments.map((segment) => segment.text).join(' '),
      segments,
      language,
      duration: decoded / SAMPLE_RATE,
      transcriber: this.id,
    };
  }

  /** What is said in the audio, piece by piece; what was recognised by an earlier attempt is not recognised again. */
  private async *recognised(
    request: TranscriptionRequest,
    onDecoded: (samples: number) => void,
  ): AsyncGenerator<{ piece: Piece; isNew: boolean }> {
    const turn = this.engine.turn(request.audio.size);
    const finished = new Map((await request.pieces.load()).map((piece) => [piece.index, piece]));
    for await (const found of ahead(this.pieces(request, onDecoded))) {
      const piece = finished.get(found.index);
      if (piece) yield { piece, isNew: false };
      else
        yield {
          piece: { index: found.index, segments: await this.recognise(found, request.signal, turn) },
          isNew: true,
        };
    }
  }

  /** The stretches of speech of the audio, in their order. */
  private async *pieces(
    request: TranscriptionRequest,
    onDecoded: (samples: number) => void,
  ): AsyncGenerator<SpeechPiece> {
    const cutter = new PieceCutter();
    let memory = freshMemory();
    for await (const block of blocks(this.ffmpeg.decodePcm(request))) {
      onDecoded(block.length);
      const windows = wholeWindows(block);
      // A few milliseconds of work, of which a piece takes several: it waits for none but what is in hand.
      const detection = await this.engine.detect(windows, memory, request.signal);
      memory = detection.memory;
      yield* cutter.push(windows, detection.probabilities);
    }
    yield* cutter.finish();
  }

  /** Rejects when ffmpeg or the weights are missing, or the engine cannot start; starts it where it does not run. */
  async check(): Promise<void> {
    await this.ffmpeg.check();
    const { encoder, decoder, vad } = this.models;
    await Promise.all([encoder, decoder, vad].map((path) => access(path))).catch((cause: unknown) => {
      throw new TransientError('engine_unavailable', 'The weights of the local speech model are missing.', { cause });
    });
    await this.engine.start();
  }

  /** Loads the models ahead of the first job. */
  warmUp(): Promise<void> {
    return this.engine.start();
  }

  async close(): Promise<void> {
    await this.engine.close();
  }

  private async recognise({ samples, start, end }: SpeechPiece, signal: AbortSignal, turn: Turn): Promise<Segment[]> {
    const { text, confidence } = await this.engine.transcribe(samples, signal, turn);
    if (!/[\p{L}\p{N}]/u.test(text) || confidence < LEAST_CONFIDENCE) return [];
    const rounded = (seconds: number) => Math.round(seconds * 1000) / 1000;
    return [{ start: rounded(start), end: rounded(end), text }];
  }
}

function unsupported(language: string): PermanentError {
  return new PermanentError(
    'language_unsupported',
    `The speech model in the box understands English only, not "${language}": for other languages set OPENAI_API_KEY ` +
      '(with OPENAI_BASE_URL for another OpenAI-compatible server), and TRANSCRIBER to auto or openai.',
  );
}

/**
 * The same items, each made while the one before it is being dealt with: so that the engine has the next piece at hand, and does
 * not wait while what was heard in the last one is written down.
 */
const ahead = <T>(items: AsyncGenerator<T>): AsyncIterable<T> => Readable.from(items, { highWaterMark: 1 });

/** The same samples in arrays of one size, each overwritten by the next; only the last may be shorter. */
async function* blocks(chunks: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array> {
  const block = new Float32Array(BLOCK);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length;) {
      const part = chunk.subarray(taken, taken + BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < BLOCK) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** Filled up with silence to whole windows of the speech detector. */
function wholeWindows(block: Float32Array): Float32Array {
  if (block.length % VAD_WINDOW === 0) return block;
  const windows = new Float32Array(Math.ceil(block.length / VAD_WINDOW) * VAD_WINDOW);
  windows.set(block);
  return windows;
}
