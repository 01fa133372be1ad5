import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Samples that one probability stands for: 32 ms at 16 kHz. */
export const VAD_WINDOW = 512;
/** Samples before the window that Silero looks at too. */
const CONTEXT = 64;
const STATE = [2, 1, 128];

/** What the detector knows of the audio before: given back with each answer, so that the detector itself keeps nothing. */
export interface VadMemory {
  state: Float32Array;
  context: Float32Array;
}

/** At the start of an audio. */
export function freshMemory(): VadMemory {
  return { state: new Float32Array(2 * 128), context: new Float32Array(CONTEXT) };
}

/** Silero VAD v6 in ONNX Runtime: how likely each 32 ms of sound are speech. */
export class SpeechDetector {
  private constructor(private readonly session: InferenceSession) {}

  static async load(path: string, options: InferenceSession.SessionOptions): Promise<SpeechDetector> {
    return new SpeechDetector(await InferenceSession.create(path, options));
  }

  /**
   * @param samples 16 kHz mono, -1 to 1, whole windows of `VAD_WINDOW`
   * @returns a probability for each window, and the memory for the samples that follow
   */
  async detect(samples: Float32Array, memory: VadMemory): Promise<{ probabilities: Float32Array; memory: VadMemory }> {
    const probabilities = new Float32Array(samples.length / VAD_WINDOW);
    const window = new Float32Array(CONTEXT + VAD_WINDOW);
    window.set(memory.context, VAD_WINDOW);
    const feeds = {
      input: new Tensor('float32', window, [1, window.length]),
      state: new Tensor('float32', memory.state, STATE),
      sr: new Tensor('int64', new BigInt64Array([16_000n]), []),
    };
    for (let i = 0; i < probabilities.length; i++) {
      window.copyWithin(0, VAD_WINDOW);
      window.set(samples.subarray(i * VAD_WINDOW, (i + 1) * VAD_WINDOW), CONTEXT);
      const { output, stateN } = await this.session.run(feeds);
      probabilities[i] = (output!.data as Float32Array)[0]!;
      feeds.state = stateN as typeof feeds.state;
    }
    const state = feeds.state.data;
    return { probabilities, memory: { state: state.slice(), context: window.slice(VAD_WINDOW) } };
  }
}
