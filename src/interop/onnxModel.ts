import { Message } from '../protobuf.js';

/** Version of the ONNX operators used; `Resize` of chosen axes came with it. */
export const opset = 18;

const dataTypes = { float: 1, uint8: 2, int64: 7 } as const;
export type OnnxType = keyof typeof dataTypes;

/** An attribute of a node: whole numbers where they are whole in ONNX's schema. */
export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly text: string };

/** An input or output of the model; a string is a dimension that is known when it runs. */
export interface Port {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string)[];
}

/**
 * Collects the nodes of an ONNX graph. Field numbers below are those of onnx.proto.
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
export class OnnxGraph {
  private readonly nodes: Message[] = [];
  private readonly initializers = new Map<string, Message>();
  private fresh = 0;

  /** Adds a node and returns the names of its outputs. */
  node(
    type: string,
    label: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputs: readonly string[] = [`${label}.${this.fresh++}`],
  ): readonly string[] {
    const message = new Message();
    for (const input of inputs) message.string(1, input);
    for (const output of outputs) message.string(2, output);
    message.string(3, `${label}.${type}.${this.fresh++}`).string(4, type);
    for (const [name, value] of Object.entries(attributes)) message.message(5, attribute(name, value));
    this.nodes.push(message);
    return outputs;
  }

  /** A node with one output; its name. */
  one(
    type: string,
    label: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    return this.node(type, label, inputs, attributes)[0];
  }

  /** A constant tensor under a name; the same name again is the same tensor. */
  floats(name: string, shape: readonly number[], data: Float32Array): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.initializer(name, 'float', shape, bytes);
  }

  /** The same of int64, by default a list. */
  ints(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.initializer(name, 'int64', shape, new Uint8Array(data.buffer));
  }

  private initializer(name: string, type: OnnxType, shape: readonly number[], raw: Uint8Array): string {
    if (!this.initializers.has(name)) {
      const message = new Message();
      for (const length of shape) message.int(1, length);
      this.initializers.set(name, message.int(2, dataTypes[type]).string(8, name).bytes(9, raw));
    }
    return name;
  }

  /** The whole model as the bytes of an `.onnx` file. */
  encode(
    name: string,
    inputs: readonly Port[],
    outputs: readonly Port[],
    metadata: Readonly<Record<string, string>>,
  ): Uint8Array {
    const graph = new Message()
      .messages(1, this.nodes)
      .string(2, name)
      .messages(5, [...this.initializers.values()])
      .messages(11, inputs.map(valueInfo))
      .messages(12, outputs.map(valueInfo));
    const model = new Message()
      .int(1, 8)
      .string(2, 'vnet-segmentation')
      .message(7, graph)
      .message(8, new Message().string(1, '').int(2, opset));
    for (const [key, value] of Object.entries(metadata)) {
      model.message(14, new Message().string(1, key).string(2, value));
    }
    return model.encode();
  }
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().string(1, name);
  if ('int' in value) return message.int(3, value.int).int(20, 2);
  if ('float' in value) return message.float(2, value.float).int(20, 1);
  if ('text' in value) return message.string(4, value.text).int(20, 3);
  for (const each of value.ints) message.int(8, each);
  return message.int(20, 7);
}

function valueInfo({ name, type, shape }: Port): Message {
  const dimensions = new Message();
  for (const length of shape) {
    const dimension = new Message();
    dimensions.message(
      1,
      typeof length === 'number' ? dimension.int(1, length) : dimension.string(2, length),
    );
  }
  const tensor = new Message().int(1, dataTypes[type]).message(2, dimensions);
  return new Message().string(1, name).message(2, new Message().message(1, tensor));
}
