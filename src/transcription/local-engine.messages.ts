import type { Recognition } from './moonshine.js';
import type { VadMemory } from './vad-window.js';

/* What the local engine's process and the worker that started it say to each other, by structured clone. */

/** `samples` are 16 bit, as the audio was decoded: half of what the channel would carry as 32. */
export type Work =
  { kind: 'detect'; samples: Int16Array; memory: VadMemory } | { kind: 'transcribe'; samples: Int16Array };

export type ToEngine = ({ id: number } & Work) | { id: number; kind: 'cancel' };

export interface Detection {
  probabilities: Float32Array;
  memory: VadMemory;
}

export type Result = Detection | Recognition;

export type FromEngine =
  | { kind: 'ready' }
  /** `rss`: resident bytes of the process after the work. */
  | { kind: 'done'; id: number; result: Result; rss: number }
  | { kind: 'failed'; id: number; message: string };

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
