import type { Recognition } from './moonshine.js';
import type { VadMemory } from './vad-window.js';

/* What the local engine is asked, and what it answers. */

/** `samples` are 16 bit, as the audio was decoded: half of what the channel would carry as 32. */
export type Work =
  { kind: 'detect'; samples: Int16Array; memory: VadMemory } | { kind: 'transcribe'; samples: Int16Array };

export interface Detection {
  probabilities: Float32Array;
  memory: VadMemory;
}

export type Result = Detection | Recognition;

/** From -1..1; exact for what was decoded from 16 bit. */
export function toInt16(samples: Float32Array): Int16Array {
  const result = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) result[i] = Math.max(-32_768, Math.min(32_767, samples[i]! * 32_768));
  return result;
}

export function toFloat32(samples: Int16Array): Float32Array {
  const result = new Float32Array(samples.length);
  for (let i = 0; i < samples.length; i++) result[i] = samples[i]! / 32_768;
  return result;
}
