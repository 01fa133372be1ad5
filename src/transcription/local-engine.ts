import { Engine, type EngineTimes } from '../engine/engine.js';
import { toInt16, type Detection, type Result, type Work } from './local-engine.messages.js';
import type { Recognition } from './moonshine.js';
import type { VadMemory } from './vad-window.js';

export interface LocalEngineOptions {
  /** Threads of the speech model. */
  threads: number;
  /** Resident MiB above which the process is killed. */
  memoryLimitMb: number;
  /** Overrides for tests; milliseconds. */
  times?: Partial<EngineTimes>;
}

/** The models that turn speech into words, in a process of their own. */
export class LocalEngine extends Engine<Work, Result> {
  constructor({ threads, ...options }: LocalEngineOptions) {
    super({
      ...options,
      program: { module: new URL('./local-engine.process', import.meta.url), args: [String(threads)] },
      name: 'local speech model',
      memorySetting: 'LOCAL_MEMORY_LIMIT_MB',
    });
  }

  /**
   * Probability of speech for each 32 ms.
   *
   * @throws as `run`
   */
  detect(samples: Float32Array, memory: VadMemory, signal: AbortSignal): Promise<Detection> {
    return this.run({ kind: 'detect', samples: toInt16(samples), memory }, signal) as Promise<Detection>;
  }

  /**
   * Words of one piece of speech under 30 s.
   *
   * @throws as `run`
   */
  transcribe(samples: Float32Array, signal: AbortSignal): Promise<Recognition> {
    return this.run({ kind: 'transcribe', samples: toInt16(samples) }, signal) as Promise<Recognition>;
  }
}
