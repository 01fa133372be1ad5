import type { EncoderFiles } from './encoder-weights.js';
import { OnnxGraph } from './onnx-model.js';

/** Pieces of a sentence that are read. */
export const LONGEST = 128;
const HEADS = 4;
const EPSILON = { float: 1e-6 };
/** Sizes of a piece's vector as it goes into and comes out of each layer. */
const LAYERS = [
  { from: 256, to: 512 },
  { from: 512, to: 512 },
] as const;
const WAVELENGTHS = '/TimingSignal/ExpandDims_1';

/**
 * The encoder as an ONNX model: `pieces` (int64, the pieces of one sentence) in, `vector` (float32 [512], of length 1) out.
 * Two layers of a transformer over the pieces and their places, the mean of what they give, a layer of tanh over it.
 */
export function encoderModel(files: EncoderFiles): Uint8Array {
  const graph = new OnnxGraph();
  const weights = (end: string) => graph.weights(files.weights(end));
  const numbers = (...values: number[]) =>
    graph.weights({ shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  const pieces = graph.input('pieces', ['length']);

  const words = graph.node('Gather', [weights('Embeddings_en'), pieces]);
  const length = graph.node('Shape', [pieces]);
  const places = graph.node('Slice', [graph.weights(placesOf(files)), numbers(0), length, numbers(0)]);
  // The words twice: what the places are added to is itself added to the words.
  let state = graph.node('Add', [words, graph.node('Add', [words, places])]);

  LAYERS.forEach(({ from, to }, index) => {
    const own = (end: string) => weights(`Encode/Layer_${index}/TransformerLayer/${end}`);
    const linear = (input: string, kernel: string, bias: string) =>
      graph.node('Add', [graph.node('MatMul', [input, kernel]), bias]);
    const normed = (input: string, at: string) => {
      const named = (part: string) =>
        own(`${at}layer_prepostprocess/layer_norm/layer_norm_${part}/ConcatPartitions/concat`);
      return graph.node('LayerNormalization', [input, named('scale'), named('bias')], { axis: -1, epsilon: EPSILON });
    };
    const attention = (part: string, shape: readonly number[]) => {
      const at = `MultiheadAttention/${part}_transform_single`;
      const kernel = files.weights(`Encode/Layer_${index}/TransformerLayer/${at}/kernel/part_0`);
      return [graph.weights({ ...kernel, shape }), own(`${at}/bias/ConcatPartitions/concat`)] as const;
    };

    const all = linear(normed(state, ''), ...attention('qkv', [from, 3 * from]));
    const [query, key, value] = graph.split(
      'Split',
      [all, numbers(from, from, from)],
      ['q', 'k', 'v'].map((name) => name + index),
      {
        axis: 1,
      },
    );
    const heads = (input: string, perm: number[]) =>
      graph.node('Transpose', [graph.node('Reshape', [input, numbers(0, HEADS, from / HEADS)])], { perm });
    const scale = graph.weights({ shape: [], data: Float32Array.of((from / HEADS) ** -0.5) });
    const near = graph.node('MatMul', [graph.node('Mul', [heads(query!, [1, 0, 2]), scale]), heads(key!, [1, 2, 0])]);
    const seen = graph.node('MatMul', [graph.node('Softmax', [near], { axis: -1 }), heads(value!, [1, 0, 2])]);
    const joined = graph.node('Reshape', [graph.node('Transpose', [seen], { perm: [1, 0, 2] }), numbers(-1, from)]);
    const attended = linear(joined, ...attention('output', [from, to]));

    // The first layer is wider than what it is given.
    const kept =
      from === to
        ? state
        : linear(state, own('dense/kernel/ConcatPartitions/concat'), own('dense/bias/ConcatPartitions/concat'));
    const sum = graph.node('Add', [attended, kept]);
    const dense = (input: string, at: string) =>
      linear(
        input,
        weights(`TransformerStack/Layer_${index}/TransformerLayer/FFN/${at}/Tensordot/Reshape_1`),
        own(`FFN/${at}/bias/ConcatPartitions/concat`),
      );
    const hidden = graph.node('Relu', [dense(normed(sum, 'FFN/'), 'conv1')]);
    state = graph.node('Add', [dense(hidden, 'conv2'), sum]);
  });

  const mean = graph.node('ReduceMean', [state], { axes: [0], keepdims: 1 });
  const last = graph.node('MatMul', [mean, weights('tanh_layer_0/weights')]);
  const tanh = graph.node('Tanh', [graph.node('Add', [last, weights('tanh_layer_0/bias')])]);
  const vector = graph.node('LpNormalization', [tanh], { axis: -1, p: 2 });
  graph.output(graph.node('Reshape', [vector, numbers(-1)], {}, 'vector'), [512]);
  return graph.toBytes();
}

/** Sines, then cosines, of each place by each wavelength. */
function placesOf(files: EncoderFiles) {
  const { data } = files.weights(WAVELENGTHS);
  const rates = [...(data as Float32Array)];
  const places = new Float32Array(LONGEST * 2 * rates.length);
  for (let place = 0; place < LONGEST; place++)
    rates.forEach((rate, at) => {
      const row = place * 2 * rates.length;
      places[row + at] = Math.sin(place * rate);
      places[row + rates.length + at] = Math.cos(place * rate);
    });
  return { shape: [LONGEST, 2 * rates.length], data: places };
}
