// Apart from the detector, which loads ONNX Runtime: only the engine's own process is to hold that.

/** Samples that one probability stands for: 32 ms at 16 kHz. */
export const VAD_WINDOW = 512;
/** Samples before the window that Silero looks at too. */
export const VAD_CONTEXT = 64;

/** What the detector knows of the audio before: given back with each answer, so that the detector itself keeps nothing. */
export interface VadMemory {
  state: Float32Array;
  context: Float32Array;
}

/** At the start of an audio. */
export function freshMemory(): VadMemory {
  return { state: new Float32Array(2 * 128), context: new Float32Array(VAD_CONTEXT) };
}
