import { Readable } from 'node:stream';
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

/** Never answers, whatever becomes of its request. */
class Hanging extends Scripted {
  override transcribe(): Promise<Transcript> {
    this.calls += 1;
    return new Promise(() => undefined);
  }
}

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
    const transcriber = new CircuitTranscriber(engine, null, log);
    expect(await failures(transcriber, 8)).toEqual([
      ...Array.from({ length: 5 }, () => 'engine_unreachable'),
      ...Array.from({ length: 3 }, () => 'engine_circuit_open'),
    ]);
    expect(engine.calls).toBe(5);
    await expect(transcriber.transcribe(request())).rejects.toMatchObject({ retryable: true, retryAfter: 30 });
    await expect(transcriber.check()).rejects.toMatchObject({ code: 'engine_circuit_open' });
  });

  it('hands over to the fallback, with pieces of its own', async () => {
    const near = new Scripted('near');
    const transcriber = new CircuitTranscriber(new Scripted('far', away), near, log);
    expect(await failures(transcriber, 4)).toHaveLength(4);
    const saved: string[] = [];
    for (let i = 0; i < 3; i++) {
      await expect(transcriber.transcribe(request(saved))).resolves.toMatchObject({ transcriber: 'near' });
    }
    expect(near.calls).toBe(3);
    expect(saved).toEqual(['far', 'near', 'near', 'near']);
    await expect(transcriber.check()).resolves.toBeUndefined();
  });

  it('does not count what is wrong with the audio', async () => {
    const engine = new Scripted('far', new PermanentError('audio_undecodable', 'Not decodable'));
    const transcriber = new CircuitTranscriber(engine, new Scripted('near'), log);
    expect(await failures(transcriber, 8)).toEqual(Array.from({ length: 8 }, () => 'audio_undecodable'));
    expect(engine.calls).toBe(8);
  });

  it('counts an engine that hangs until its time is up, and one that was stopped for another reason not', async () => {
    const timeout = new TransientError('timeout', 'It took longer than it may take');
    const ended = (reason: Error) => ({ ...request(), signal: AbortSignal.abort(reason) });
    const stopped = new CircuitTranscriber(new Hanging('far'), null, log);
    const hanging = new CircuitTranscriber(new Hanging('far'), null, log);
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
    const transcriber = new CircuitTranscriber(engine, null, log);
    await failures(transcriber, 4);
    engine.failure = null;
    await expect(transcriber.transcribe(request())).resolves.toMatchObject({ text: 'well' });
    engine.failure = away;
    expect(await failures(transcriber, 5)).toEqual(Array.from({ length: 5 }, () => 'engine_unreachable'));
  });
});
