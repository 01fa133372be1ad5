import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { AppError, TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { Transcriber } from './transcriber.js';
import type { Transcript, TranscriptionRequest } from './transcriber.js';

/** Failures in a row after which the engine is left alone. */
const FAILURES = 5;
/** Seconds until one attempt may try it again. */
const REST_S = 30;

/**
 * Stands between the stage and an engine that is far away. After five passing failures in a row it is not called for 30 s, then by
 * one attempt at a time until one goes well. Meanwhile the fallback works, where there is one, or attempts fail at once and are due
 * again later.
 */
export class CircuitTranscriber extends Transcriber {
  readonly id: string;
  private readonly circuit = circuitBreaker(
    handleWhen((error) => error instanceof AppError && error.retryable),
    { halfOpenAfter: REST_S * 1000, breaker: new ConsecutiveBreaker(FAILURES) },
  );

  constructor(
    private readonly engine: Transcriber,
    private readonly fallback: Transcriber | null,
    log: Log,
  ) {
    super();
    this.id = engine.id;
    this.circuit.onBreak(() => {
      log.pino.error(
        { engine: engine.id, fallback: fallback?.id ?? null },
        'Transcription engine is left alone for a while',
      );
    });
    this.circuit.onReset(() => log.pino.info({ engine: engine.id }, 'Transcription engine is back'));
  }

  async transcribe(request: TranscriptionRequest): Promise<Transcript> {
    try {
      return await this.circuit.execute(() => withinTime(this.engine.transcribe(request), request.signal));
    } catch (error) {
      if (request.signal.aborted) throw error;
      if (this.circuit.state === CircuitState.Closed || !isPassing(error)) throw error;
      if (this.fallback) return this.fallback.transcribe({ ...request, pieces: request.pieces.of(this.fallback.id) });
      if (!(error instanceof BrokenCircuitError)) throw error;
      const message = 'The transcription service does not work at the moment; the answer is kept and tried again';
      throw new TransientError('engine_circuit_open', message, { retryAfter: REST_S, cause: error });
    }
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
  let end = (): void => undefined;
  const ended = new Promise<never>((_, reject) => (end = () => reject(signal.reason as Error)));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  work.catch(() => undefined);
  ended.catch(() => undefined);
  try {
    return await Promise.race([work, ended]);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

const isPassing = (error: unknown): boolean =>
  error instanceof BrokenCircuitError || (error instanceof AppError && error.retryable);
