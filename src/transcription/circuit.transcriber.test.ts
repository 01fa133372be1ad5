import { Readable } from 'node:stream';
import { jest } from '@jest/globals';
import { Log } from '../common/logging.js';
import { PermanentError, TransientError } from '../common/app-error.js';
import { CircuitTranscriber } from './circuit.transcriber.js';
import { Transcriber } from './transcriber.js';
import type { PieceStore, Transcript, TranscriptionRequest } from './transcriber.js';

class Scripted extends Transcriber {
  calls = 0;
  constructor(
    readonly id: string,
    public failure: Error | null = null,
  ) {
    super();
  }
  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    this.calls += 1;
    await request.pieces.save({ index: 0, segments: [] });
    if (this.failure) throw this.failure;
    return { text: 'well', segments: [], language: 'en', duration: 1, transcriber: this.id };
  }
  async check(): Promise<void> {
    if (this.failure) throw this.failure;
  }
  async close(): Promise<void> {
    this.calls = -1;
  }
}

/** Answers when it is told to. */
class Waiting extends Scripted {
  answer: () => void = () => undefined;
  override async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    await new Promise<void>((resolve) => (this.answer = resolve));
    return super.transcribe(request);
  }
}

/** Never answers, whatever becomes of its request. */
class Hanging extends Scripted {
  override transcribe(): Promise<Transcript> {
    this.calls += 1;
    return new Promise(() => undefined);
  }
}

const REST_S = 30;
const log = new Log({ LOG_LEVEL: 'silent' });
const away = new TransientError('engine_unreachable', 'The service cannot be reached');

function request(saved: string[] = []): TranscriptionRequest {
  const store = (engine: string): PieceStore => ({
    load: async () => [],
    save: async () => void saved.push(engine),
    of: store,
  });
  return {
    audio: { open: () => Readable.from([]), size: 1, contentType: 'audio/webm' },
    language: null,
    signal: new AbortController().signal,
    onDuration: () => undefined,
    pieces: store('far'),
  };
}

async function failures(transcriber: Transcriber, count: number): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < count; i++) {
    await transcriber.transcribe(request()).catch((error: TransientError) => codes.push(error.code));
  }
  return codes;
}

describe('CircuitTranscriber', () => {
  it('leaves an engine alone that failed five times in a row, and says when to come back', async () => {
    const engine = new Scripted('far', away);
    const transcriber = new CircuitTranscriber(engine, null, REST_S, log);
    expect(await failures(transcriber, 8)).toEqual([
      ...Array.from({ length: 5 }, () => 'engine_unreachable'),
      ...Array.from({ length: 3 }, () => 'engine_circuit_open'),
    ]);
    expect(engine.calls).toBe(5);
    await expect(transcriber.transcribe(request())).rejects.toMatchObject({
      retryable: true,
      retryAfter: 30,
      uncounted: true,
    });
    await expect(transcriber.check()).rejects.toMatchObject({ code: 'engine_circuit_open' });
  });

  it('hands over to the fallback, with pieces of its own', async () => {
    const near = new Scripted('near');
    const transcriber = new CircuitTranscriber(new Scripted('far', away), near, REST_S, log);
    expect(await failures(transcriber, 4)).toHaveLength(4);
    const saved: string[] = [];
    for (let i = 0; i < 3; i++) {
      await expect(transcriber.transcribe(request(saved))).resolves.toMatchObject({ transcriber: 'near' });
    }
    expect(near.calls).toBe(3);
    expect(saved).toEqual(['far', 'near', 'near', 'near']);
    await expect(transcriber.check()).resolves.toBeUndefined();
  });

  it('has a fallback do only what it understands: the rest waits for the engine', async () => {
    const near = new Scripted('near');
    near.understands = (language) => language !== 'de';
    const transcriber = new CircuitTranscriber(new Scripted('far', away), near, REST_S, log);
    await failures(transcriber, 5);
    await expect(transcriber.transcribe({ ...request(), language: 'de' })).rejects.toMatchObject({
      code: 'engine_circuit_open',
      uncounted: true,
    });
    await expect(transcriber.transcribe({ ...request(), language: 'en' })).resolves.toMatchObject({ text: 'well' });
  });

  it('does not count what is wrong with the audio', async () => {
    const engine = new Scripted('far', new PermanentError('audio_undecodable', 'Not decodable'));
    const transcriber = new CircuitTranscriber(engine, new Scripted('near'), REST_S, log);
    expect(await failures(transcriber, 8)).toEqual(Array.from({ length: 8 }, () => 'audio_undecodable'));
    expect(engine.calls).toBe(8);
  });

  it('counts an engine that hangs until its time is up, and one that was stopped for another reason not', async () => {
    const timeout = new TransientError('timeout', 'It took longer than it may take');
    const ended = (reason: Error) => ({ ...request(), signal: AbortSignal.abort(reason) });
    const stopped = new CircuitTranscriber(new Hanging('far'), null, REST_S, log);
    const hanging = new CircuitTranscriber(new Hanging('far'), null, REST_S, log);
    for (let i = 0; i < 5; i++) {
      await expect(stopped.transcribe(ended(new Error('shutdown')))).rejects.toThrow('shutdown');
      await expect(hanging.transcribe(ended(timeout))).rejects.toBe(timeout);
    }
    await expect(stopped.check()).resolves.toBeUndefined();
    await expect(hanging.check()).rejects.toMatchObject({ code: 'engine_circuit_open' });
    expect(await failures(hanging, 1)).toEqual(['engine_circuit_open']);
  });

  it('goes on as before after a success', async () => {
    const engine = new Scripted('far', away);
    const transcriber = new CircuitTranscriber(engine, null, REST_S, log);
    await failures(transcriber, 4);
    engine.failure = null;
    await expect(transcriber.transcribe(request())).resolves.toMatchObject({ text: 'well' });
    engine.failure = away;
    expect(await failures(transcriber, 5)).toEqual(Array.from({ length: 5 }, () => 'engine_unreachable'));
  });

  it('does not count what the engine has no part in', async () => {
    for (const code of ['audio_unreadable', 'ffmpeg_missing', 'decoder_killed']) {
      const engine = new Scripted('far', new TransientError(code, 'Not of the engine'));
      const transcriber = new CircuitTranscriber(engine, null, REST_S, log);
      expect(await failures(transcriber, 8)).toEqual(Array.from({ length: 8 }, () => code));
    }
  });
});

describe('CircuitTranscriber after its rest', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** Failed five times in a row, and left alone for as long as it is. */
  async function rested<T extends Scripted>(engine: T, fallback: Transcriber | null): Promise<CircuitTranscriber> {
    const transcriber = new CircuitTranscriber(engine, fallback, REST_S, log);
    const failing = Scripted.prototype.transcribe.bind(engine);
    const own = engine.transcribe.bind(engine);
    engine.transcribe = failing;
    await failures(transcriber, 5);
    engine.transcribe = own;
    jest.advanceTimersByTime(REST_S * 1000 - 1);
    expect(await failures(transcriber, 1)).toEqual(fallback ? [] : ['engine_circuit_open']);
    expect(engine.calls).toBe(5);
    jest.advanceTimersByTime(1);
    return transcriber;
  }

  it('lets one attempt try the engine, has nobody wait for it, and goes on with the engine once that went well', async () => {
    const engine = new Waiting('far', away);
    const transcriber = await rested(engine, null);
    engine.failure = null;
    const trial = transcriber.transcribe(request());
    expect(await failures(transcriber, 3)).toEqual(Array.from({ length: 3 }, () => 'engine_circuit_open'));
    engine.answer();
    await expect(trial).resolves.toMatchObject({ transcriber: 'far' });
    expect(engine.calls).toBe(6);
    await expect(transcriber.check()).resolves.toBeUndefined();
    const next = transcriber.transcribe(request());
    engine.answer();
    await expect(next).resolves.toMatchObject({ transcriber: 'far' });
  });

  it('has the fallback work while one attempt tries the engine, and rests again when that failed', async () => {
    const engine = new Waiting('far', away);
    const transcriber = await rested(engine, new Scripted('near'));
    const trial = transcriber.transcribe(request());
    await expect(transcriber.transcribe(request())).resolves.toMatchObject({ transcriber: 'near' });
    engine.answer();
    await expect(trial).resolves.toMatchObject({ transcriber: 'near' });
    await expect(transcriber.transcribe(request())).resolves.toMatchObject({ transcriber: 'near' });
    expect(engine.calls).toBe(6);
  });

  it('rests again when the attempt ended without a word of the engine', async () => {
    for (const reason of [new PermanentError('audio_undecodable', 'Not decodable'), new Error('lease lost')]) {
      const engine = new Scripted('far', away);
      const transcriber = await rested(engine, null);
      engine.failure = reason;
      await expect(transcriber.transcribe(request())).rejects.toBe(reason);
      expect(await failures(transcriber, 1)).toEqual(['engine_circuit_open']);
      await expect(transcriber.check()).rejects.toMatchObject({ code: 'engine_circuit_open' });
    }
  });
});
