import { jest } from '@jest/globals';
import { Log } from '../common/logging.js';
import { EngineCircuit } from './engine-circuit.js';
import { brokenAnswer, timedOut, type Engine } from './openai-errors.js';

const REST_S = 30;

/** What asking so often comes to, with an engine that fails in the same way each time. */
async function codesOf(circuit: EngineCircuit, times: number, failure: Error): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < times; i++) {
    const asked = circuit.ask(() => Promise.reject(failure), new AbortController().signal);
    codes.push(await asked.catch((error: { code: string }) => error.code));
  }
  return codes;
}

describe('answers that cannot be read', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const circuitOf = (engine: Engine) => new EngineCircuit(engine, REST_S, new Log({ LOG_LEVEL: 'silent' }), {});

  it('are each the business of one scoring: the endpoint is asked again', async () => {
    const circuit = circuitOf('scoring');
    expect(new Set(await codesOf(circuit, 8, brokenAnswer('scoring')))).toEqual(new Set(['engine_broken_answer']));
    expect(circuit.isClosed).toBe(true);
  });

  it('tell that a scoring endpoint left alone is back', async () => {
    const circuit = circuitOf('scoring');
    await codesOf(circuit, 5, timedOut('scoring'));
    expect(circuit.isClosed).toBe(false);
    jest.advanceTimersByTime(REST_S * 1000);
    await codesOf(circuit, 1, brokenAnswer('scoring'));
    expect(circuit.isClosed).toBe(true);
  });

  it('tell that what answers is no engine for speech: it is left alone', async () => {
    const circuit = circuitOf('speech');
    expect((await codesOf(circuit, 6, brokenAnswer('speech'))).at(-1)).toBe('engine_circuit_open');
  });
});
