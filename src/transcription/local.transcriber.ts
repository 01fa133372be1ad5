import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { PermanentError, TransientError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { SAMPLE_RATE, type Ffmpeg } from './ffmpeg.js';
import { LocalEngine } from './local-engine.js';
import { findLocalModels, type LocalModels } from './local-models.js';
import { PieceCutter, type SpeechPiece } from './pieces.js';
import { Transcriber, type Segment, type Transcript, type TranscriptionRequest } from './transcriber.js';
import { Loudness } from './loudness.js';
import { freshMemory, VAD_WINDOW } from './vad-window.js';

/** Samples that are looked at for speech at once: 2 s, a few milliseconds of work. */
const BLOCK = VAD_WINDOW * 64;
/** Below this mean log probability of its tokens a text is a guess (Whisper's threshold for a failed decode). */
const LEAST_CONFIDENCE = -1;

/** To be raised whenever the same audio may give other words or other pieces: what is cached, or done in part, is another's then. */
const REVISION = 2;

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
    this.id = `local/moonshine-tiny-${this.models.version}/${REVISION}`;
    this.engine = new LocalEngine({
      threads: config.LOCAL_INTRA_THREADS || Math.min(4, availableParallelism()),
      memoryLimitMb: config.LOCAL_MEMORY_LIMIT_MB,
    });
  }

  override understands(language: string | null): boolean {
    return language === null || /^en\b/i.test(language);
  }

  /**
   * @throws PermanentError `language_unsupported` for anything but English, and those of `Ffmpeg`
   * @throws TransientError those of `LocalEngine` and `Ffmpeg`
   */
  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    const language = request.language ?? 'en';
    if (!this.understands(language)) throw unsupported(language);
    request.signal.throwIfAborted();

    const finished = new Map((await request.pieces.load()).map((piece) => [piece.index, piece.segments]));
    const segments: Segment[] = [];
    let heard = 0;
    const recognise = async (pieces: Iterable<SpeechPiece>) => {
      for (const piece of pieces) {
        heard += 1;
        let found = finished.get(piece.index);
        if (!found) {
          found = await this.recognise(piece, request.signal);
          await request.pieces.save({ index: piece.index, segments: found });
        }
        segments.push(...found);
      }
    };

    let duration = await this.eachPiece(request, [], recognise);
    // Of two channels that are each other's opposite the sum is silence: before that is believed, one is listened to alone.
    if (heard === 0) duration = await this.eachPiece(request, ['pan=mono|c0=c0'], recognise);
    request.signal.throwIfAborted();
    return {
      text: segments.map((segment) => segment.text).join(' '),
      segments,
      language,
      duration,
      transcriber: this.id,
    };
  }

  /** Rejects when ffmpeg or the weights are missing, or the engine cannot start; starts it where it does not run. */
  async check(): Promise<void> {
    await this.ffmpeg.check();
    const { encoder, decoder, vad } = this.models;
    await Promise.all([encoder, decoder, vad].map((path) => access(path))).catch((cause: unknown) => {
      throw new TransientError('engine_not_started', 'The weights of the local speech model are missing.', { cause });
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

  /**
   * Cuts the audio at its pauses, and hands on the pieces in which somebody speaks.
   *
   * @returns its length in seconds
   */
  private async eachPiece(
    request: TranscriptionRequest,
    filters: readonly string[],
    take: (pieces: Iterable<SpeechPiece>) => Promise<void>,
  ): Promise<number> {
    const { audio, signal } = request;
    const cutter = new PieceCutter();
    const loudness = new Loudness();
    let memory = freshMemory();
    let decoded = 0;
    for await (const block of blocks(this.ffmpeg.decodePcm({ audio, signal, filters }))) {
      decoded += block.length;
      loudness.raise(block);
      request.onDuration(decoded / SAMPLE_RATE);
      const windows = wholeWindows(block);
      const detection = await this.engine.detect(windows, memory, signal);
      memory = detection.memory;
      await take(cutter.push(windows, detection.probabilities));
    }
    await take(cutter.finish());
    return decoded / SAMPLE_RATE;
  }

  private async recognise({ samples, start, end }: SpeechPiece, signal: AbortSignal): Promise<Segment[]> {
    const { text, confidence } = await this.engine.transcribe(settled(samples), signal);
    if (!/[\p{L}\p{N}]/u.test(text) || confidence < LEAST_CONFIDENCE) return [];
    const rounded = (seconds: number) => Math.round(seconds * 1000) / 1000;
    return [{ start: rounded(start), end: rounded(end), text }];
  }
}

/** Of a word alone the model makes more words than were said, unless there is silence around it. */
function settled(samples: Float32Array): Float32Array {
  if (samples.length >= SAMPLE_RATE) return samples;
  const silence = Math.round(0.3 * SAMPLE_RATE);
  const padded = new Float32Array(samples.length + 2 * silence);
  padded.set(samples, silence);
  return padded;
}

function unsupported(language: string): PermanentError {
  return new PermanentError(
    'language_unsupported',
    `The speech model in the box understands English only, not "${language}": for other languages set OPENAI_API_KEY ` +
      '(with OPENAI_BASE_URL for another OpenAI-compatible server), and TRANSCRIBER to auto or openai.',
  );
}

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
