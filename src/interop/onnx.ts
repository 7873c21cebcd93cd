import { UserError } from '../errors.js';
import { Builder } from '../graph/builder.js';
import type { Graph, Node, NodeFor, Value } from '../graph/ir.js';
import type { Network } from '../nets/network.js';
import type { ConvAttrs } from '../ops/conv.js';
import type { Normalization } from '../ops/image.js';
import { averageMatrix, convolutionAxes, poolPads, transposePads } from './geometry.js';
import { OnnxGraph } from './onnxModel.js';

export interface OnnxOptions {
  /** Pixels; with `dynamic`, of the size the graph is written down at, a multiple of 32. */
  readonly height: number;
  readonly width: number;
  /**
   * Any batch and size when the model runs. VNet and BiSeNet take any; networks that upsample by transposed convolution
   * or unpooling need multiples of 8 (SegNet: 32); PSPNet and ICNet cannot, because of their adaptive poolings.
   */
  readonly dynamic?: boolean;
  /** `labels` (default): u8 `N×H×W`; `logits`: float `N×classes×h×w` as the head gives them. */
  readonly output?: 'labels' | 'logits';
}

/**
 * A network with its weights as an ONNX model. Input `images`: u8 `N×H×W×3` RGB, normalised inside. Output `labels` or
 * `logits`.
 * @throws UserError where a network cannot be exported with `dynamic`.
 */
export function exportOnnx(
  network: Network,
  weights: ReadonlyMap<string, Float32Array>,
  options: OnnxOptions,
): Uint8Array {
  const { height, width, dynamic = false, output = 'labels' } = options;
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
  exporter.finish(logits, output);
  const metadata = { network: network.name, config: JSON.stringify(network.config) };
  const input = { name: 'images', type: 'uint8', shape: [...size, 3] } as const;
  return exporter.onnx.encode(network.name, [input], ports, metadata);
}

/** Translates the nodes of an inference graph one by one; tensors are `N×C×H×W` there. */
class Exporter {
  readonly onnx = new OnnxGraph();
  /** Name in ONNX of each value so far. */
  private readonly names = new Map<number, string>();
  private readonly producers = new Map<number, Node>();
  /** The first value of each height and width: what a later resize takes its size from. */
  private readonly sizes = new Map<string, string>();
  private readonly normalized = new Map<string, string>();
  private planar: string | undefined;

  constructor(
    graph: Graph,
    private readonly weights: ReadonlyMap<string, Float32Array>,
    private readonly images: Value,
    private readonly dynamic: boolean,
  ) {
    for (const node of graph.nodes) {
      for (const value of Object.values(node.outputs) as Value[]) this.producers.set(value.id, node);
    }
    for (const node of graph.nodes) {
      const results = this.translate(node);
      Object.values(node.outputs).forEach((value: Value, i) => {
        if (results[i] === undefined) return;
        this.names.set(value.id, results[i]);
        const key = value.shape.slice(1, 3).join('×');
        if (!this.sizes.has(key)) this.sizes.set(key, results[i]);
      });
    }
  }

  /** Names the output. */
  finish(logits: Value, output: 'labels' | 'logits'): void {
    const { onnx } = this;
    if (output === 'logits') {
      onnx.node('Identity', 'head', [this.name(logits)], {}, ['logits']);
      return;
    }
    const [, height, width] = this.images.shape;
    const full = this.resize('argmax', logits, height, width);
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
  private translate(node: Node): readonly string[] {
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
      case 'addBias': {
        const { x, bias } = node.inputs;
        return [onnx.one('Add', label, [this.name(x), this.vector(bias, [bias.shape[3], 1, 1])])];
      }
      case 'affine':
        return [this.norm(node)];
      case 'prelu':
        return [this.prelu(label, this.name(node.inputs.x), node.inputs.slope)];
      case 'relu':
        return [onnx.one('Relu', label, [this.name(node.inputs.x)])];
      case 'sigmoid':
        return [onnx.one('Sigmoid', label, [this.name(node.inputs.x)])];
      case 'multiply':
        return [onnx.one('Mul', label, [this.name(node.inputs.a), this.name(node.inputs.b)])];
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
        return [this.resize(label, node.inputs.x, node.attrs.height, node.attrs.width)];
      default:
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
    const operands = [from, this.kernel(weight)];
    if (bias) operands.push(this.vector(bias, [bias.shape[3]]));
    return this.onnx.one('Conv', label, operands, this.geometry(weight, attrs));
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
    inputs: { gy, weight },
    attrs,
    label,
  }: NodeFor<'conv2dGradInput'>): string {
    const operands = [this.name(gy), this.kernel(weight)];
    return this.onnx.one('ConvTranspose', label, operands, {
      ...this.geometry(weight, attrs),
      output_padding: { ints: transposePads(gy.shape, weight.shape, attrs) },
    });
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

  private prelu(label: string, x: string, slope: Value): string {
    const constant = this.producers.get(slope.id);
    if (constant?.op === 'fill' && constant.attrs.value === 0) return this.onnx.one('Relu', label, [x]);
    return this.onnx.one('PRelu', label, [x, this.vector(slope, [slope.shape[3], 1, 1])]);
  }

  private averages({ inputs: { x }, attrs: { kernels, stride }, label }: NodeFor<'pyramidPool'>): string {
    const pools = kernels.map((k) =>
      this.onnx.one('AveragePool', label, [this.name(x)], {
        kernel_shape: { ints: [k, k] },
        strides: { ints: [stride, stride] },
        pads: { ints: [k >> 1, k >> 1, k >> 1, k >> 1] },
        count_include_pad: { int: 1 },
      }),
    );
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
    const { kernel, stride, padding, height, width } = attrs;
    const inferred = (n: number) => (n - 1) * stride + kernel - 2 * padding;
    if (inferred(x.shape[1]) !== height || inferred(x.shape[2]) !== width) {
      throw new UserError(
        `${label}: ONNX unpools whole windows only; export with a size that all poolings divide (multiples of 32 always work)`,
        2,
      );
    }
    return this.onnx.one('MaxUnpool', label, [this.name(x), this.name(index)], {
      kernel_shape: { ints: [kernel, kernel] },
      strides: { ints: [stride, stride] },
      pads: { ints: [padding, padding, padding, padding] },
    });
  }

  /** Averages over rows, then over columns, as products with matrices of the bins. */
  private adaptivePool({ inputs: { x }, attrs: { height, width }, label }: NodeFor<'adaptivePool'>): string {
    if (height === 1 && width === 1) return this.onnx.one('GlobalAveragePool', label, [this.name(x)]);
    if (this.dynamic) {
      throw new UserError(
        `${label}: pooling to ${height}×${width} bins has no dynamic size in ONNX; export with --size`,
      );
    }
    const [, h, w] = x.shape;
    const rows = this.onnx.floats(`bins.${height}.${h}`, [height, h], averageMatrix(h, height, false));
    const columns = this.onnx.floats(`bins.${w}.${width}`, [w, width], averageMatrix(w, width, true));
    const partly = this.onnx.one('MatMul', label, [rows, this.name(x)]);
    return this.onnx.one('MatMul', label, [partly, columns]);
  }

  private resize(label: string, x: Value, height: number, width: number): string {
    if (x.shape[1] === height && x.shape[2] === width) return this.name(x);
    const size = this.dynamic
      ? this.sizeLike(label, height, width)
      : this.onnx.ints(`size.${height}.${width}`, [height, width]);
    return this.onnx.one('Resize', label, [this.name(x), '', '', size], {
      mode: { text: 'linear' },
      coordinate_transformation_mode: { text: 'half_pixel' },
      axes: { ints: [2, 3] },
    });
  }

  /** Height and width of the image, or of the first feature map of that size, when the model runs. */
  private sizeLike(label: string, height: number, width: number): string {
    const isImage = height === this.images.shape[1] && width === this.images.shape[2];
    const like = isImage ? 'images' : this.sizes.get(`${height}×${width}`);
    if (!like) throw new UserError(`${label}: resizes to a size of its own; export with a fixed --size`);
    const first = isImage ? 1 : 2;
    const shape = this.onnx.one('Shape', label, [like]);
    const range = [this.onnx.ints(`from.${first}`, [first]), this.onnx.ints(`to.${first + 2}`, [first + 2])];
    return this.onnx.one('Slice', label, [shape, ...range]);
  }
}
