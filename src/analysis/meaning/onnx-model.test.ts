import { InferenceSession } from 'onnxruntime-node';
import { OnnxGraph } from './onnx-model.js';

// That a whole model computes the right numbers is tested with the encoder, in a process of its own: jest has typed arrays of its own.
describe('a written ONNX model', () => {
  it('is read by ONNX Runtime, with its input and its output', async () => {
    const graph = new OnnxGraph();
    const rows = graph.weights({ shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    const sizes = graph.weights({ shape: [2], data: BigInt64Array.of(1n, 1n) });
    const chosen = graph.node('Gather', [rows, graph.input('rows', ['count'])]);
    const [first] = graph.split('Split', [chosen, sizes], ['first', 'second'], { axis: 1 });
    graph.output(graph.node('LeakyRelu', [first!], { alpha: { float: 0.25 } }, 'out'), ['count', 1]);
    const session = await InferenceSession.create(graph.toBytes());
    expect(session.inputNames).toEqual(['rows']);
    expect(session.outputNames).toEqual(['out']);
  });

  it('is refused where a node takes what there is not', async () => {
    const graph = new OnnxGraph();
    graph.output(graph.node('Relu', ['nowhere'], {}, 'out'), [1]);
    await expect(InferenceSession.create(graph.toBytes())).rejects.toThrow(/nowhere/);
  });
});
