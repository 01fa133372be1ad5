import { InferenceSession, Tensor } from 'onnxruntime-node';
import { VAD_CONTEXT, VAD_WINDOW, type VadMemory } from './vad-window.js';

/** Two layers of 128, for a batch of one. */
const STATE = [2, 1, 128];

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
    const window = new Float32Array(VAD_CONTEXT + VAD_WINDOW);
    window.set(memory.context, VAD_WINDOW);
    const feeds = {
      input: new Tensor('float32', window, [1, window.length]),
      state: new Tensor('float32', memory.state, STATE),
      sr: new Tensor('int64', new BigInt64Array([16_000n]), []),
    };
    for (let i = 0; i < probabilities.length; i++) {
      window.copyWithin(0, VAD_WINDOW);
      window.set(samples.subarray(i * VAD_WINDOW, (i + 1) * VAD_WINDOW), VAD_CONTEXT);
      const { output, stateN } = await this.session.run(feeds);
      probabilities[i] = (output!.data as Float32Array)[0]!;
      feeds.state = stateN as typeof feeds.state;
    }
    const state = feeds.state.data;
    return { probabilities, memory: { state: state.slice(), context: window.slice(VAD_WINDOW) } };
  }
}
