import { InferenceSession, Tensor } from 'onnxruntime-node';
import { LONGEST, encoderModel } from './encoder-graph.js';
import { readEncoder } from './encoder-weights.js';
import { SentencePieces } from './sentence-pieces.js';

/** Vectors that are kept, the latest used: answers to one question share it and its model answer. 1 MiB. */
const KEPT = 512;

/**
 * Turns an English sentence into a vector of 512 numbers and length 1: the nearer two of them, the nearer what is meant. Where there is no
 * text all numbers are 0. `session.run` blocks the thread that calls it: made for a process of its own.
 */
export class SentenceEncoder {
  private readonly kept = new Map<string, Float32Array>();

  private constructor(
    private readonly session: InferenceSession,
    private readonly pieces: SentencePieces,
  ) {}

  static async load(options: InferenceSession.SessionOptions): Promise<SentenceEncoder> {
    const files = readEncoder();
    const session = await InferenceSession.create(encoderModel(files), options);
    return new SentenceEncoder(session, new SentencePieces(files.vocabulary));
  }

  async encode(sentence: string): Promise<Float32Array> {
    const vector = this.kept.get(sentence) ?? (await this.compute(sentence));
    this.kept.delete(sentence);
    this.kept.set(sentence, vector);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(oldest);
    }
    return vector;
  }

  private async compute(sentence: string): Promise<Float32Array> {
    const pieces = this.pieces.of(sentence).slice(0, LONGEST);
    if (pieces.length === 0) return new Float32Array(512);
    const input = new Tensor('int64', BigInt64Array.from(pieces, BigInt), [pieces.length]);
    const { vector } = await this.session.run({ pieces: input });
    return vector!.data as Float32Array;
  }
}
