import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import type { CircuitBreakerPolicy } from 'cockatiel';
import { AppError, TransientError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { raceAbort } from '../common/race-abort.js';
import { BROKEN_ANSWER, type Engine } from './openai-errors.js';

/** Failures in a row after which the engine is left alone. */
const FAILURES = 5;

/**
 * Stands before an engine that is far away. After five passing failures of its own in a row it is not called for a while, then by
 * one attempt at a time until one goes well.
 */
export class EngineCircuit {
  private readonly circuit: CircuitBreakerPolicy;

  /** @param restS seconds until one attempt may try the engine again */
  constructor(
    private readonly engine: Engine,
    private readonly restS: number,
    log: Log,
    told: Record<string, unknown>,
  ) {
    this.circuit = circuitBreaker(
      handleWhen((error) => error instanceof Unproven || (isPassing(error) && !isOfTheAnswer(engine, error))),
      { halfOpenAfter: restS * 1000, breaker: new ConsecutiveBreaker(FAILURES) },
    );
    this.circuit.onBreak(() => log.pino.error(told, `The ${engine} engine is left alone for a while`));
    this.circuit.onReset(() => log.pino.info(told, `The ${engine} engine is back`));
  }

  /**
   * @throws TransientError `engine_circuit_open`, at once and not to be counted, while the engine is left alone; else what the
   *   work fails with, the signal's reason among it
   */
  async ask<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { state } = this.circuit;
    // One attempt tries the engine at the moment: nobody else waits for what becomes of it.
    if (state === CircuitState.HalfOpen) throw this.resting();
    try {
      return await this.circuit.execute(() => attempt(work, signal, state === CircuitState.Open));
    } catch (thrown) {
      if (thrown instanceof BrokenCircuitError) throw this.resting();
      throw thrown instanceof Unproven ? thrown.cause : thrown;
    }
  }

  get isClosed(): boolean {
    return this.circuit.state === CircuitState.Closed;
  }

  private resting(): TransientError {
    const message = `The ${this.engine} engine does not work at the moment; the answer is kept and tried again`;
    return new TransientError('engine_circuit_open', message, { retryAfter: this.restS, uncounted: true });
  }
}

/** Whether the engine is what an error is about, not the audio, our store or our ffmpeg, and may be well again later. */
export const isPassing = (error: unknown): boolean => isOfEngine(error) && error.retryable;

/**
 * A judgement that cannot be read is what a model that works made of one answer. Speech to text has one form for all audio: without
 * it, the address is of something else.
 */
const isOfTheAnswer = (engine: Engine, error: unknown): boolean =>
  engine === 'scoring' && error instanceof AppError && error.code === BROKEN_ANSWER;

const isOfEngine = (error: unknown): error is AppError =>
  error instanceof AppError && (error.code.startsWith('engine_') || error.code === 'timeout');

/** @param isTrial whether the circuit closes when it goes well: then it must not close by what the engine has no part in */
async function attempt<T>(work: () => Promise<T>, signal: AbortSignal, isTrial: boolean): Promise<T> {
  try {
    return await withinTime(work(), signal);
  } catch (error) {
    throw isTrial && !isOfEngine(error) ? new Unproven('', { cause: error }) : error;
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

/** A trial that ended without a word of the engine. */
class Unproven extends Error {}
