import { Engine, type EngineTimes } from '../../engine/engine.js';

/** Sentences, and their vectors in the same order. */
export interface Work {
  sentences: string[];
}
export interface Result {
  vectors: Float32Array[];
}

export interface MeaningEngineOptions {
  /** Resident MiB above which the process is killed. */
  memoryLimitMb: number;
  /** Overrides for tests; milliseconds. */
  times?: Partial<EngineTimes>;
}

/** Sentences in one piece of work, a tenth of a second: answers take turns by the piece. */
const AT_ONCE = 16;
/** Characters of a sentence that are sent: more than the encoder reads of any. */
const LONGEST_SENTENCE = 2_000;

/** The encoder of sentences, in a process of its own. */
export class MeaningEngine extends Engine<Work, Result> {
  constructor(options: MeaningEngineOptions) {
    super({
      ...options,
      program: { module: new URL('./meaning.process', import.meta.url), args: [] },
      name: 'sentence encoder',
      memorySetting: 'LOCAL_MEMORY_LIMIT_MB',
    });
  }

  /**
   * What sentences mean: for each a vector of 512 numbers, of length 1, or 0 where it has no text. The same sentence always has the same.
   *
   * @throws as `run`
   */
  async encode(sentences: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let at = 0; at < sentences.length; at += AT_ONCE) {
      const piece = sentences.slice(at, at + AT_ONCE).map((sentence) => sentence.slice(0, LONGEST_SENTENCE));
      vectors.push(...(await this.run({ sentences: piece }, signal)).vectors);
    }
    return vectors;
  }
}
