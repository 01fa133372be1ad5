/*
 * Writes an ONNX model, so that ONNX Runtime runs weights that come in another format. Fields and their numbers are those of
 * `onnx.proto` (IR version 8); only what a plain graph of float tensors needs is here.
 */

const IR_VERSION = 8;
const OPSET = 17;
const FLOAT = 1;
const INT64 = 7;

/** A tensor that belongs to the model. */
export interface Weights {
  shape: readonly number[];
  data: Float32Array | BigInt64Array;
}

/** A number is an integer (INT) unless it is named a float; a list is one of integers. */
export type Attributes = Readonly<Record<string, number | { float: number } | readonly number[]>>;

/** Dimensions of an input or output: a name stands for one that differs from run to run. */
type Shape = readonly (number | string)[];

function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

const integer = (field: number, value: number | bigint): Buffer => Buffer.concat([varint(field << 3), varint(value)]);

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), bytes]);
}

function bytes(field: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([varint((field << 3) | 2), varint(length), ...parts]);
}

const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value));

function attribute(name: string, value: Attributes[string]): Buffer {
  const named = text(1, name);
  if (typeof value === 'number') return bytes(5, named, integer(3, value), integer(20, 2));
  if ('float' in value) return bytes(5, named, float(2, value.float), integer(20, 1));
  return bytes(5, named, ...value.map((one) => integer(8, one)), integer(20, 7));
}

function described(field: number, name: string, type: number, shape: Shape): Buffer {
  const dimensions = shape.map((size) => bytes(1, typeof size === 'number' ? integer(1, size) : text(2, size)));
  return bytes(field, text(1, name), bytes(2, bytes(1, integer(1, type), bytes(2, ...dimensions))));
}

/** Collects the nodes of a graph; each node is named by its one output. */
export class OnnxGraph {
  private readonly parts: Buffer[] = [];
  private made = 0;

  /** @returns its name, for nodes to take */
  input(name: string, shape: Shape): string {
    this.parts.push(described(11, name, INT64, shape));
    return name;
  }

  output(name: string, shape: Shape): void {
    this.parts.push(described(12, name, FLOAT, shape));
  }

  weights({ shape, data }: Weights): string {
    const name = this.next();
    const type = data instanceof Float32Array ? FLOAT : INT64;
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.parts.push(bytes(5, ...shape.map((size) => integer(1, size)), integer(2, type), text(8, name), bytes(9, raw)));
    return name;
  }

  node(operation: string, inputs: readonly string[], attributes: Attributes = {}, name = this.next()): string {
    return this.split(operation, inputs, [name], attributes)[0]!;
  }

  /** A node of several outputs. */
  split(operation: string, inputs: readonly string[], outputs: string[], attributes: Attributes = {}): string[] {
    this.parts.push(
      bytes(
        1,
        ...inputs.map((input) => text(1, input)),
        ...outputs.map((output) => text(2, output)),
        text(4, operation),
        ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      ),
    );
    return outputs;
  }

  next(): string {
    return `t${this.made++}`;
  }

  /** The model as ONNX Runtime reads it. */
  toBytes(): Uint8Array {
    const opset = bytes(8, text(1, ''), integer(2, OPSET));
    return Buffer.concat([integer(1, IR_VERSION), bytes(7, ...this.parts, text(2, 'graph')), opset]);
  }
}
