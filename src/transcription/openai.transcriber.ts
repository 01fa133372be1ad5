import { Readable } from 'node:stream';
import type OpenAI from 'openai';
import { AppError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { OpenAiEndpoint } from '../openai/openai-endpoint.js';
import { TOO_LONG } from '../openai/openai-errors.js';
import { multipartForm } from '../openai/multipart.js';
import { readFault } from './ffmpeg-verdict.js';
import type { Ffmpeg } from './ffmpeg.js';
import { formatFields, givesTimes, joinTexts, readAnswer, type Heard } from './openai-answer.js';
import { LONGEST_PIECE_S } from './openai-cut.js';
import { encodePieces, measureDuration } from './openai-pieces.js';
import {
  Transcriber,
  type AudioSource,
  type Segment,
  type Transcript,
  type TranscriptionRequest,
} from './transcriber.js';

/** What is sent how; other values are for tests of short audio. */
export interface OpenAiLimits {
  /** Bytes of the largest file that is sent as it is. */
  largestFile: number;
  /** Seconds of the longest piece of a file that is too large or too long. */
  longestPieceS: number;
  /** A request that takes longer is of long audio: then it is worth decoding to learn how long. */
  slowRequestMs: number;
}

const LIMITS: OpenAiLimits = {
  // OpenAI's limit is 25 MiB for the request; the form around the file takes a little of it.
  largestFile: 25 * 2 ** 20 - 64 * 2 ** 10,
  longestPieceS: LONGEST_PIECE_S,
  slowRequestMs: 30_000,
};

/** The engine tells formats by the file's extension. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'audio/webm': 'webm',
  'audio/ogg': 'ogg',
  'audio/wav': 'wav',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/flac': 'flac',
};

/**
 * Transcribes by any OpenAI-compatible endpoint (`OPENAI_BASE_URL`, `OPENAI_TRANSCRIPTION_MODEL`).
 *
 * The stored file is streamed as it is. One that is too large, or that the endpoint finds too long, is re-encoded to mono
 * Opus and sent in pieces of at most 20 minutes, cut at pauses; finished pieces are kept for the next attempt.
 */
export class OpenAiTranscriber extends Transcriber {
  readonly id: string;
  private readonly endpoint: OpenAiEndpoint;
  private readonly model: string;

  constructor(
    config: Config,
    private readonly ffmpeg: Ffmpeg,
    private readonly limits: OpenAiLimits = LIMITS,
  ) {
    super();
    this.model = config.OPENAI_TRANSCRIPTION_MODEL;
    this.id = `openai/${this.model}`;
    this.endpoint = new OpenAiEndpoint(config, 'speech');
  }

  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    if (request.audio.size > this.limits.largestFile) return this.inPieces(request);
    try {
      return await this.whole(request);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== TOO_LONG) throw error;
      return this.inPieces(request);
    }
  }

  check(): Promise<void> {
    return this.endpoint.check();
  }

  close(): Promise<void> {
    return this.endpoint.close();
  }

  private async whole(request: TranscriptionRequest): Promise<Transcript> {
    const stop = new AbortController();
    const forward = () => stop.abort(request.signal.reason);
    request.signal.addEventListener('abort', forward, { once: true });
    if (request.signal.aborted) forward();
    let measured: Promise<number | null> | null = null;
    let lengthS = 0;
    const measure = () => (measured ??= this.measure(request, stop.signal).then((s) => ((lengthS = s ?? 0), s)));
    // A model that gives no times says no length either: it is found out while the model works, at no one's cost in time.
    if (!givesTimes(this.model)) void measure();
    const slow = setTimeout(() => void measure(), this.limits.slowRequestMs);
    try {
      const heard = await this.send(request.audio, request, () => lengthS);
      const duration = heard.duration ?? (await measure());
      if (heard.duration !== null) request.onDuration(heard.duration);
      return this.transcript(
        request,
        heard.text,
        heard.segments ?? spanning(heard.text, 0, duration),
        heard.language,
        duration,
      );
    } finally {
      clearTimeout(slow);
      stop.abort(new Error('The length of the audio is not needed any more.'));
      request.signal.removeEventListener('abort', forward);
    }
  }

  /** The audio's length, null where it cannot be told: the engine may know formats that ffmpeg does not. */
  private async measure(request: TranscriptionRequest, signal: AbortSignal): Promise<number | null> {
    try {
      const duration = await measureDuration(this.ffmpeg, request.audio, signal);
      request.onDuration(duration);
      return duration;
    } catch {
      return null;
    }
  }

  private async inPieces(request: TranscriptionRequest): Promise<Transcript> {
    const done = new Map((await request.pieces.load()).map((piece) => [piece.index, piece.segments]));
    const segments: Segment[] = [];
    let language: string | null = null;
    let duration = 0;
    const cut = { longestS: this.limits.longestPieceS, wanted: (index: number) => !done.has(index) };
    for await (const piece of encodePieces(this.ffmpeg, request.audio, request.signal, cut)) {
      duration = piece.end;
      request.onDuration(duration);
      if (piece.bytes === null) {
        segments.push(...(done.get(piece.index) ?? []));
        continue;
      }
      const length = piece.end - piece.start;
      const heard = await this.send(inMemory(piece.bytes), request, () => length);
      language ??= heard.language;
      const local = heard.segments ?? spanning(heard.text, 0, length);
      const placed = local.map(({ start, end, text }) => ({
        start: piece.start + Math.min(start, length),
        end: piece.start + Math.min(end, length),
        text,
      }));
      await request.pieces.save({ index: piece.index, segments: placed });
      segments.push(...placed);
    }
    return this.transcript(request, joinTexts(segments.map((segment) => segment.text)), segments, language, duration);
  }

  /** @param lengthS seconds of the audio as far as they are known: a request may take as long as it would to listen */
  private async send(
    audio: AudioSource,
    { language, signal }: TranscriptionRequest,
    lengthS: () => number,
  ): Promise<Heard> {
    const fields: [string, string][] = [['model', this.model], ...formatFields(this.model)];
    if (language !== null) fields.push(['language', language]);
    const name = `answer.${EXTENSIONS[audio.contentType] ?? 'bin'}`;
    const file = { name, type: audio.contentType, size: audio.size, open: () => audio.open() };
    const request = async (client: OpenAI, limit: AbortSignal) => {
      const form = multipartForm(fields, file);
      try {
        const body = await form.body();
        return await client.post<unknown>('/audio/transcriptions', { headers: form.headers, body, signal: limit });
      } catch (error) {
        throw form.fault() === null || limit.aborted ? error : readFault(form.fault());
      } finally {
        form.close();
      }
    };
    return readAnswer(await this.endpoint.call(signal, request, lengthS));
  }

  private transcript(
    request: TranscriptionRequest,
    text: string,
    segments: Segment[],
    detected: string | null,
    duration: number | null,
  ): Transcript {
    return { text, segments, language: request.language ?? detected, duration, transcriber: this.id };
  }
}

/** The words of a model that gives no times: one segment over all of it, none where its length is not known. */
function spanning(text: string, start: number, end: number | null): Segment[] {
  return text && end !== null ? [{ start, end, text }] : [];
}

function inMemory(bytes: Buffer): AudioSource {
  return { open: () => Readable.from([bytes]), size: bytes.length, contentType: 'audio/ogg' };
}
