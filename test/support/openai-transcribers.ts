import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppError } from '../../src/common/app-error.js';
import { loadConfig } from '../../src/config/config.js';
import { Ffmpeg } from '../../src/transcription/ffmpeg.js';
import { OpenAiTranscriber, type OpenAiLimits } from '../../src/transcription/openai.transcriber.js';
import type { Piece, PieceStore, TranscriptionRequest } from '../../src/transcription/transcriber.js';
import { fileAudio } from './audio-source.js';
import { startOpenAiServer, type OpenAiServer } from './openai-server.js';

/** The key that tests use; nothing may ever show it. */
export const KEY = 'sk-test-a-key-that-stays-secret';

/** Transcribers against a server of their own; made by `openAiTranscribers` for the file that calls it. */
export class OpenAiTranscribers {
  server!: OpenAiServer;
  private scratch = '';
  private readonly open: OpenAiTranscriber[] = [];

  async start(): Promise<void> {
    this.server = await startOpenAiServer();
    this.scratch = await mkdtemp(join(tmpdir(), 'vivavoce-openai-'));
  }

  make(environment: Record<string, string> = {}, limits?: Partial<OpenAiLimits>): OpenAiTranscriber {
    const config = loadConfig({ OPENAI_API_KEY: KEY, OPENAI_BASE_URL: this.server.url, ...environment });
    const all = { largestFile: 25 * 2 ** 20, longestPieceS: 1200, slowRequestMs: 30_000, ...limits };
    return new OpenAiTranscriber(config, new Ffmpeg(config, this.scratch), ...(limits ? [all] : []));
  }

  /** One that is closed after its test. */
  forTest(environment: Record<string, string> = {}, limits?: Partial<OpenAiLimits>): OpenAiTranscriber {
    const made = this.make(environment, limits);
    this.open.push(made);
    return made;
  }

  async endTest(): Promise<void> {
    this.server.reset();
    await Promise.all(this.open.splice(0).map((transcriber) => transcriber.close()));
  }

  async stop(): Promise<void> {
    await this.server.close();
    await rm(this.scratch, { recursive: true });
  }
}

/** Starts a server for the tests of one file, and closes after each test what the test made. */
export function openAiTranscribers(): OpenAiTranscribers {
  const transcribers = new OpenAiTranscribers();
  beforeAll(() => transcribers.start());
  afterEach(() => transcribers.endTest());
  afterAll(() => transcribers.stop());
  return transcribers;
}

/** Pieces that outlast an attempt. */
export class Pieces implements PieceStore {
  kept: Piece[] = [];
  load = async () => [...this.kept];
  save = async (piece: Piece) => void this.kept.push(piece);

  of(): Pieces {
    return new Pieces();
  }
}

/** A request for the read speech of the fixtures, unless something else is given. */
export function request(given: Partial<TranscriptionRequest> = {}): TranscriptionRequest {
  return {
    audio: fileAudio('reading.webm'),
    language: null,
    signal: new AbortController().signal,
    onDuration: () => undefined,
    pieces: new Pieces(),
    ...given,
  };
}

/** What a piece of work fails with. */
export const failureOf = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('expected a failure');
    },
    (error: AppError) => error,
  );
