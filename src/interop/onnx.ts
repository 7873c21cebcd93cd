import { UserError } from '../errors.js';
import { Builder } from '../graph/builder.js';
import type { Graph } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import type { Network } from '../nets/network.js';
import type { ConvAttrs } from '../ops/conv.js';
import type { NodeFor, OpNode } from '../ops/index.js';
import { nodesOf } from '../ops/index.js';
import type { Normalization } from '../ops/op.js';
import type { Expression } from '../ops/pointwise/expression.js';
import { translate } from '../ops/pointwise/expression.js';
import type { PointwiseName } from '../ops/pointwise/table.js';
import { parametric, pointwise } from '../ops/pointwise/table.js';
import type { ResizeAttrs } from '../ops/resize.js';
import { convolutionAxes, poolPads, transposePads } from './geometry.js';
import { OnnxGraph } from './onnxModel.js';
import { OnnxSizes } from './onnxSizes.js';

/** What to export; without `dynamic`, for one image of `height×width` pixels. */
export type OnnxOptions = {
  /** `labels` (default): u8 `N×H×W`; `logits`: float `N×classes×h×w` as the head gives them. */
  readonly output?: 'labels' | 'logits';
  /** Kept in the file beside the network's name and configuration, such as the names of the classes. */
  readonly metadata?: Readonly<Record<string, string>>;
} & (
  | { readonly height: number; readonly width: number; readonly dynamic?: false }
  /** Any batch and size when the model runs. */
  | { readonly dynamic: true }
);

/**
 * What a dynamic model is written down at: a multiple of every network's smallest step, and so large that no two
 * resolutions, and no pooling's bins, have the same size.
 */
const anySize = { height: 256, width: 512 };

/**
 * A network with its weights as an ONNX model. Input `images`: u8 `N×H×W×3` RGB, normalised inside. Output `labels` or
 * `logits`.
 * @throws UserError where an operation has no counterpart in ONNX.
 */
export function exportOnnx(
  network: Network,
  weights: ReadonlyMap<string, Float32Array>,
  options: OnnxOptions,
): Uint8Array {
  const { dynamic = false, output = 'labels' } = options;
  const { height, width } = options.dynamic ? anySize : options;
  const b = new Builder('infer');
  const images = b.input('images', [1, height, width, 3], 'u8');
  const logits = network.build(b, images);
  const exporter = new Exporter(b.finish({ logits }), weights, images, dynamic);
  const channels = logits.shape[3];
  const size = dynamic ? ['N', 'H', 'W'] : [1, height, width];
  const ports =
    output === 'labels'
      ? [{ name: 'labels', type: 'uint8', shape: size } as const]
      : [
          {
            name: 'logits',
            type: 'float',
            shape: dynamic ? ['N', channels, 'h', 'w'] : [1, channels, logits.shape[1], logits.shape[2]],
          } as const,
        ];
  exporter.finish(logits, output, network.alignCorners);
  const metadata = {
    ...options.metadata,
    network: network.name,
    config: JSON.stringify(network.config),
  };
  const input = { name: 'images', type: 'uint8', shape: [...size, 3] } as const;
  return exporter.onnx.encode(network.name, [input], ports, metadata);
}

/** Translates the nodes of an inference graph one by one; tensors are `N×C×H×W` there. */
class Exporter {
  readonly onnx = new OnnxGraph();
  /** Name in ONNX of each value so far. */
  private readonly names = new Map<number, string>();
  private readonly producers = new Map<number, OpNode>();
  private readonly sizes: OnnxSizes;
  private readonly normalized = new Map<string, string>();
  private planar: string | undefined;

  constructor(
    graph: Graph,
    private readonly weights: ReadonlyMap<string, Float32Array>,
    private readonly images: Value,
    dynamic: boolean,
  ) {
    this.sizes = new OnnxSizes(this.onnx, images, dynamic);
    for (const node of nodesOf(graph)) {
      for (const value of Object.values(node.outputs) as Value[]) this.producers.set(value.id, node);
    }
    for (const node of nodesOf(graph)) {
      const results = this.translate(node);
      Object.values(node.outputs).forEach((value: Value, i) => {
        if (results[i] !== undefined) this.names.set(value.id, results[i]);
      });
    }
  }

  /** Names the output. */
  finish(logits: Value, output: 'labels' | 'logits', alignCorners: boolean | undefined): void {
    const { onnx } = this;
    if (output === 'logits') {
      onnx.node('Identity', 'head', [this.name(logits)], {}, ['logits']);
      return;
    }
    const [, height, width] = this.images.shape;
    const full = this.resize('argmax', logits, { height, width, alignCorners });
    const classes = onnx.one('ArgMax', 'argmax', [full], { axis: { int: 1 }, keepdims: { int: 0 } });
    onnx.node('Cast', 'argmax', [classes], { to: { int: 2 } }, ['labels']);
  }

  private name(value: Value): string {
    const name = this.names.get(value.id);
    if (name === undefined) throw new Error(`${value.name} has no counterpart in ONNX`);
    return name;
  }

  private data(value: Value): Float32Array {
    const data = this.weights.get(value.name);
    if (!data) throw new Error(`no weights named ${value.name}`);
    return data;
  }

  /** A parameter or statistic per channel; `shape` as its reader wants it. */
  private vector(value: Value, shape: readonly number[]): string {
    return this.onnx.floats(value.name, shape, this.data(value));
  }

  /** The names of a node's outputs; none where it only prepares weights. */
  private translate(node: OpNode): readonly string[] {
    const { onnx } = this;
    const { label } = node;
    switch (node.op) {
      case 'fill':
      case 'foldCoefficients':
        return [];
      case 'normalizeImage':
        return [this.normalize(node.attrs)];
      case 'conv2d':
        return [this.convolution(node)];
      case 'conv2dGradInput':
        return [this.transposedConvolution(node)];
      case 'affine':
        return [this.norm(node)];
      case 'prelu':
        return [this.prelu(label, this.name(node.inputs.x), node.inputs.slope)];
      case 'relu':
        return [onnx.one('Relu', label, [this.name(node.inputs.x)])];
      case 'multiply': {
        const { inputs } = node;
        const expression = parametric.multiply.value();
        return [this.expression(label, expression, (name) => this.name(name === 'a' ? inputs.a : inputs.b))];
      }
      case 'add': {
        const type = node.attrs.sign === 1 ? 'Add' : 'Sub';
        return [onnx.one(type, label, [this.name(node.inputs.a), this.name(node.inputs.b)])];
      }
      case 'concat': {
        const parts = Object.values(node.inputs).map((part) => this.name(part));
        return [onnx.one('Concat', label, parts, { axis: { int: 1 } })];
      }
      case 'split': {
        const sizes = onnx.ints(`sizes.${node.attrs.sizes.join('.')}`, node.attrs.sizes);
        const outputs = node.attrs.sizes.map((_, i) => `${label}.${node.id}.${i}`);
        return onnx.node('Split', label, [this.name(node.inputs.x), sizes], { axis: { int: 1 } }, outputs);
      }
      case 'pyramidPool':
        return [this.averages(node)];
      case 'maxPool':
        return this.maxPool(node);
      case 'maxUnpool':
        return [this.maxUnpool(node)];
      case 'adaptivePool':
        return [this.adaptivePool(node)];
      case 'resizeBilinear':
        return [this.resize(label, node.inputs.x, node.attrs)];
      default:
        if (node.op in pointwise) {
          const { op, inputs } = node as NodeFor<PointwiseName>;
          return [this.expression(label, pointwise[op].value, () => this.name(inputs.x))];
        }
        throw new UserError(`${label}: the operation ${node.op} has no counterpart in ONNX`);
    }
  }

  /** The image as numbers, `(x/255 − mean)/std`, once for each normalisation. */
  private normalize({ mean, std }: Normalization): string {
    const key = JSON.stringify({ mean, std });
    const known = this.normalized.get(key);
    if (known) return known;
    const { onnx } = this;
    if (!this.planar) {
      const floats = onnx.one('Cast', 'image', ['images'], { to: { int: 1 } });
      this.planar = onnx.one('Transpose', 'image', [floats], { perm: { ints: [0, 3, 1, 2] } });
    }
    const constant = (name: string, values: readonly number[]) =>
      onnx.floats(`image.${name}.${this.normalized.size}`, [3, 1, 1], Float32Array.from(values));
    const scale = constant(
      'scale',
      std.map((s) => 1 / (255 * s)),
    );
    const shift = constant(
      'shift',
      mean.map((m, c) => -m / std[c]),
    );
    const scaled = onnx.one('Mul', 'image', [this.planar, scale]);
    const result = onnx.one('Add', 'image', [scaled, shift]);
    this.normalized.set(key, result);
    return result;
  }

  /** `[kh, kw, in, out]` as `[out, in, kh, kw]`. */
  private kernel(weight: Value): string {
    const [kh, kw, inner, outer] = weight.shape;
    return this.onnx.floats(
      weight.name,
      [outer, inner, kh, kw],
      convolutionAxes(this.data(weight), weight.shape),
    );
  }

  private convolution({ inputs, attrs, label }: NodeFor<'conv2d'>): string {
    const { x, weight, bias } = inputs;
    const from = attrs.normalize ? this.normalize(attrs.normalize) : this.name(x);
    const growing = this.growsPadding(weight, attrs);
    const operands = [growing ? this.pad(label, from, x, attrs) : from, this.kernel(weight)];
    if (bias) operands.push(this.vector(bias, [bias.shape[3]]));
    const padding = growing ? evenPadding(weight) : attrs.padding;
    return this.onnx.one('Conv', label, operands, this.geometry(weight, { ...attrs, padding }));
  }

  /** Whether the padding depends on a size that is not known yet (see `OnnxSizes.growth`). */
  private growsPadding(weight: Value, { stride }: ConvAttrs): boolean {
    return this.sizes.dynamic && weight.shape[0] % 2 === 0 && stride[0] > 1;
  }

  private pad(
    label: string,
    name: string,
    { shape: [, height, width] }: Value,
    { stride }: ConvAttrs,
  ): string {
    const growth = this.sizes.growth(height, width, stride[0]);
    const outer = this.onnx.ints('zeros', [0, 0]);
    const pads = this.onnx.one('Concat', label, [outer, growth, outer, growth], { axis: { int: 0 } });
    return this.onnx.one('Pad', label, [name, pads]);
  }

  private geometry(weight: Value, { stride, padding, dilation, groups }: ConvAttrs) {
    return {
      kernel_shape: { ints: weight.shape.slice(0, 2) },
      strides: { ints: stride },
      dilations: { ints: dilation },
      pads: { ints: [...padding, ...padding] },
      group: { int: groups },
    };
  }

  private transposedConvolution({
    inputs: { gy, weight, bias },
    attrs,
    label,
  }: NodeFor<'conv2dGradInput'>): string {
    const { onnx, sizes } = this;
    const { height, width, stride } = attrs;
    const operands = [this.name(gy), this.kernel(weight)];
    if (bias) operands.push(this.vector(bias, [bias.shape[3]]));
    if (!sizes.dynamic) {
      return onnx.one('ConvTranspose', label, operands, {
        ...this.geometry(weight, attrs),
        output_padding: { ints: transposePads(gy.shape, weight.shape, attrs) },
      });
    }
    // All that the windows reach, then the part that the padding and the size at run time leave.
    const all = onnx.one(
      'ConvTranspose',
      label,
      operands,
      this.geometry(weight, { ...attrs, padding: [0, 0] }),
    );
    const growing = this.growsPadding(weight, attrs);
    let start = onnx.ints(`${label}.${weight.name}.start`, growing ? evenPadding(weight) : attrs.padding);
    if (growing) start = onnx.one('Add', label, [start, sizes.growth(height, width, stride[0])]);
    const end = onnx.one('Add', label, [start, sizes.of(height, width)]);
    return onnx.one('Slice', label, [all, start, end, onnx.ints('axes.2.3', [2, 3])]);
  }

  /** A batch norm of running statistics, and the activation that belongs to it. */
  private norm({ inputs: { x, scale, slope }, label }: NodeFor<'affine'>): string {
    const fold = this.producers.get(scale.id) as NodeFor<'foldCoefficients'>;
    const { gamma, beta, mean, variance } = fold.inputs;
    const operands = [gamma, beta, mean, variance].map((value) => this.vector(value, [value.shape[3]]));
    const epsilon = { float: fold.attrs.eps };
    const y = this.onnx.one('BatchNormalization', label, [this.name(x), ...operands], { epsilon });
    return slope ? this.prelu(label, y, slope) : y;
  }

  /** An expression of the table, node by node. @param operand the name of an operand's tensor. */
  private expression(label: string, expression: Expression, operand: (name: string) => string): string {
    const { onnx } = this;
    const one =
      (type: string) =>
      (...operands: string[]) =>
        onnx.one(type, label, operands);
    return translate<string>(expression, {
      operand,
      number: (value) => onnx.floats(`number.${value}`, [], Float32Array.of(value)),
      ...{ add: one('Add'), multiply: one('Mul'), max: one('Max'), min: one('Min'), sigmoid: one('Sigmoid') },
      multiplyAdd: (a, b, c) => one('Add')(one('Mul')(a, b), c),
      prelu: one('PRelu'),
      where: (condition, a, b) =>
        one('Where')(one('Greater')(condition, onnx.floats('number.0', [], new Float32Array(1))), a, b),
    });
  }

  private prelu(label: string, x: string, slope: Value): string {
    const constant = this.producers.get(slope.id);
    if (constant?.op === 'fill' && constant.attrs.value === 0) return this.onnx.one('Relu', label, [x]);
    const vector = this.vector(slope, [slope.shape[3], 1, 1]);
    return this.expression(label, parametric.prelu.value(), (name) => (name === 'x' ? x : vector));
  }

  private averages({ inputs: { x }, attrs: { kernels, stride }, label }: NodeFor<'pyramidPool'>): string {
    // Zeros around the image are put there first: not every program counts those of a pooling.
    const pools = kernels.map((k) => {
      const pads = this.onnx.ints(`pads.${k >> 1}`, [0, 0, k >> 1, k >> 1, 0, 0, k >> 1, k >> 1]);
      const padded = this.onnx.one('Pad', label, [this.name(x), pads]);
      return this.onnx.one('AveragePool', label, [padded], {
        kernel_shape: { ints: [k, k] },
        strides: { ints: [stride, stride] },
      });
    });
    return pools.length === 1 ? pools[0] : this.onnx.one('Sum', label, pools);
  }

  private maxPool({ inputs: { x }, attrs, label, id }: NodeFor<'maxPool'>): readonly string[] {
    const { kernel, stride } = attrs;
    return this.onnx.node(
      'MaxPool',
      label,
      [this.name(x)],
      {
        kernel_shape: { ints: [kernel, kernel] },
        strides: { ints: [stride, stride] },
        pads: { ints: poolPads(attrs) },
      },
      [`${label}.${id}`, `${label}.${id}.index`],
    );
  }

  private maxUnpool({ inputs: { x, index }, attrs, label }: NodeFor<'maxUnpool'>): string {
    const { kernel, stride, height, width } = attrs;
    const name = this.name(x);
    // ONNX Runtime takes a shape only if it is no smaller than what the windows give: with these pads, their least.
    const shape = this.sizes.resized(name, x.shape[3], height, width);
    return this.onnx.one('MaxUnpool', label, [name, this.name(index), shape], {
      kernel_shape: { ints: [kernel, kernel] },
      strides: { ints: [stride, stride] },
      pads: { ints: poolPads(attrs) },
    });
  }

  /** Averages over rows, then over columns, as products with matrices of the bins. */
  private adaptivePool({ inputs: { x }, attrs: { height, width }, label }: NodeFor<'adaptivePool'>): string {
    const name = this.name(x);
    if (height === 1 && width === 1) return this.onnx.one('GlobalAveragePool', label, [name]);
    const rows = this.sizes.averages(x, name, 'rows', height);
    const columns = this.sizes.averages(x, name, 'columns', width);
    return this.onnx.one('MatMul', label, [this.onnx.one('MatMul', label, [rows, name]), columns]);
  }

  private resize(label: string, x: Value, { height, width, alignCorners }: ResizeAttrs): string {
    if (x.shape[1] === height && x.shape[2] === width) return this.name(x);
    const name = this.name(x);
    // All four sizes: some programs read no others.
    return this.onnx.one(
      'Resize',
      label,
      [name, '', '', this.sizes.resized(name, x.shape[3], height, width)],
      {
        mode: { text: 'linear' },
        coordinate_transformation_mode: { text: alignCorners ? 'align_corners' : 'half_pixel' },
      },
    );
  }
}

/** Padding of an even window before it grows: half of it less one, along both axes. */
const evenPadding = ({ shape: [rows, columns] }: Value): readonly [number, number] => [
  rows / 2 - 1,
  columns / 2 - 1,
];
