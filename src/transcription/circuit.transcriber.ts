import { AppError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { EngineCircuit, isPassing } from '../openai/engine-circuit.js';
import { Transcriber } from './transcriber.js';
import type { Transcript, TranscriptionRequest } from './transcriber.js';

/**
 * Stands between the stage and an engine that is far away. While that is left alone (`EngineCircuit`) the fallback works, where
 * there is one that understands the language, or attempts fail at once, are not counted, and are due again later.
 */
export class CircuitTranscriber extends Transcriber {
  readonly id: string;
  private readonly circuit: EngineCircuit;

  /** @param restS seconds until one attempt may try the engine again */
  constructor(
    private readonly engine: Transcriber,
    private readonly fallback: Transcriber | null,
    restS: number,
    log: Log,
  ) {
    super();
    this.id = engine.id;
    this.circuit = new EngineCircuit('speech', restS, log, { engine: engine.id, fallback: fallback?.id ?? null });
  }

  override understands(language: string | null): boolean {
    return this.engine.understands(language);
  }

  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    const { language, signal, pieces } = request;
    try {
      return await this.circuit.ask(() => this.engine.transcribe(request), signal);
    } catch (error) {
      const fallback = this.fallback?.understands(language) ? this.fallback : null;
      if (!fallback || signal.aborted || this.circuit.isClosed || !isPassing(error)) throw error;
      return fallback.transcribe({ ...request, pieces: pieces.of(fallback.id) });
    }
  }

  async check(): Promise<void> {
    if (this.circuit.isClosed) return this.engine.check();
    if (this.fallback) return this.fallback.check();
    throw new AppError('unavailable', 'engine_circuit_open', 'the transcription engine failed several times in a row');
  }

  async close(): Promise<void> {
    await Promise.all([this.engine.close(), this.fallback?.close()]);
  }
}
