import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import type { CircuitBreakerPolicy } from 'cockatiel';
import { AppError, TransientError } from '../common/app-error.js';
import { raceAbort } from '../common/race-abort.js';
import { Log } from '../common/logging.js';
import { Transcriber } from './transcriber.js';
import type { Transcript, TranscriptionRequest } from './transcriber.js';

/** Failures in a row after which the engine is left alone. */
const FAILURES = 5;

/**
 * Stands between the stage and an engine that is far away. After five passing failures of its own in a row it is not called for
 * a while, then by one attempt at a time until one goes well. Meanwhile the fallback works, where there is one that understands
 * the language, or attempts fail at once, are not counted, and are due again later.
 */
export class CircuitTranscriber extends Transcriber {
  readonly id: string;
  private readonly circuit: CircuitBreakerPolicy;

  /** @param restS seconds until one attempt may try the engine again */
  constructor(
    private readonly engine: Transcriber,
    private readonly fallback: Transcriber | null,
    private readonly restS: number,
    log: Log,
  ) {
    super();
    this.id = engine.id;
    this.circuit = circuitBreaker(
      handleWhen((error) => error instanceof Unproven || (isOfEngine(error) && error.retryable)),
      { halfOpenAfter: restS * 1000, breaker: new ConsecutiveBreaker(FAILURES) },
    );
    this.circuit.onBreak(() => {
      log.pino.error(
        { engine: engine.id, fallback: fallback?.id ?? null },
        'Transcription engine is left alone for a while',
      );
    });
    this.circuit.onReset(() => log.pino.info({ engine: engine.id }, 'Transcription engine is back'));
  }

  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    const { state } = this.circuit;
    // One attempt tries the engine at the moment: nobody else waits for what becomes of it.
    if (state === CircuitState.HalfOpen) return this.without(request);
    try {
      return await this.circuit.execute(() => this.ask(request, state === CircuitState.Open));
    } catch (thrown) {
      if (thrown instanceof BrokenCircuitError) return this.without(request);
      const error: unknown = thrown instanceof Unproven ? thrown.cause : thrown;
      const isPassing = isOfEngine(error) && error.retryable;
      if (request.signal.aborted || this.circuit.state === CircuitState.Closed || !isPassing) throw error;
      if (!this.fallbackFor(request)) throw error;
      return this.without(request);
    }
  }

  /** @param isTrial whether the circuit closes when it goes well: then it must not close by what the engine has no part in */
  private async ask(request: TranscriptionRequest, isTrial: boolean): Promise<Transcript> {
    try {
      return await withinTime(this.engine.transcribe(request), request.signal);
    } catch (error) {
      throw isTrial && !isOfEngine(error) ? new Unproven('', { cause: error }) : error;
    }
  }

  private async without(request: TranscriptionRequest): Promise<Transcript> {
    const fallback = this.fallbackFor(request);
    if (fallback) return fallback.transcribe({ ...request, pieces: request.pieces.of(fallback.id) });
    const message = 'The transcription service does not work at the moment; the answer is kept and tried again';
    throw new TransientError('engine_circuit_open', message, { retryAfter: this.restS, uncounted: true });
  }

  private fallbackFor({ language }: TranscriptionRequest): Transcriber | null {
    return this.fallback?.understands(language) ? this.fallback : null;
  }

  override understands(language: string | null): boolean {
    return this.engine.understands(language);
  }

  async check(): Promise<void> {
    if (this.circuit.state === CircuitState.Closed) return this.engine.check();
    if (this.fallback) return this.fallback.check();
    throw new AppError('unavailable', 'engine_circuit_open', 'the transcription engine failed several times in a row');
  }

  async close(): Promise<void> {
    await Promise.all([this.engine.close(), this.fallback?.close()]);
  }
}

/** An engine that hangs, or tells in its own words that it was ended, fails with the reason why it was. */
async function withinTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await raceAbort(work, signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

/** Whether the engine is what an error is about, not the audio, our store or our ffmpeg. */
const isOfEngine = (error: unknown): error is AppError =>
  error instanceof AppError && (error.code.startsWith('engine_') || error.code === 'timeout');

/** A trial that ended without a word of the engine. */
class Unproven extends Error {}
