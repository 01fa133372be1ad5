import { calmly, serve } from '../../engine/engine.program.js';
import type { Result, Work } from './meaning-engine.js';
import { SentenceEncoder } from './sentence-encoder.js';

/* Program of the sentence encoder's process. One thread: how sums are shared among threads would show in the last digits. */

serve<Work, Result>(async () => {
  const encoder = await SentenceEncoder.load(calmly(1));
  return async ({ sentences }, cancelled) => {
    const vectors: Float32Array[] = [];
    for (const sentence of sentences) {
      if (cancelled()) throw new Error('Nobody waits for it any more');
      vectors.push(await encoder.encode(sentence));
    }
    return { vectors };
  };
});
