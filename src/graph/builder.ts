import { UserError } from '../errors.js';
import type { Graph, Node, Region } from '../ir/graph.js';
import type { DType, Initial, Role, Shape, Value } from '../ir/value.js';
import { formatShape } from '../ir/value.js';
import type { ConvAttrs } from '../ops/conv.js';
import { convLength } from '../ops/conv.js';
import type { EmitOp } from '../ops/index.js';
import type { WindowAttrs } from '../ops/maxpool.js';
import { runningMomentum } from '../ops/norm.js';
import type { Normalization } from '../ops/op.js';
import type { KernelFunction } from '../ops/pointwise/table.js';
import type { PyramidAttrs } from '../ops/pool.js';
import type { Corners } from '../ops/resize.js';
import type { Activation, AuxiliaryLoss, ConvOptions, ConvTransposeOptions } from './builderOptions.js';
import { makeNode, makeValue } from './node.js';

export type { Activation, AuxiliaryLoss, ConvOptions, ConvTransposeOptions } from './builderOptions.js';

/** The smallest padding that gives `⌈n/s⌉` outputs: `d·(k − 1)/2`, one more for even windows on odd lengths. */
function sameSizePadding(n: number, k: number, s: number, d: number): number {
  const padding = (d * (k - 1)) >> 1;
  return convLength(n, k, s, padding, d) < Math.ceil(n / s) ? padding + 1 : padding;
}

const pair = (value: number | readonly [number, number]): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;

/**
 * Writes a network down as a graph. The building blocks are those of the literature; each creates its parameters
 * under the current scope (`stage2.v1.F.conv1.weight`).
 *
 * `mode` decides what batch norm is: batch statistics (`train`) or folded running statistics (`infer`).
 */
export class Builder {
  private readonly nodes: Node[] = [];
  private readonly regions: Region[] = [];
  /** Of the checkpoint that is being built. */
  private twiceNodes: Node[] = [];
  private readonly inputs: Value[] = [];
  private readonly params: Value[] = [];
  private readonly states: Value[] = [];
  private readonly initial = new Map<number, Initial>();
  /** Vectors of equal numbers, by number and length: run before everything else. */
  private readonly constants = new Map<string, { node: Node; y: Value }>();
  private readonly sideBranches: AuxiliaryLoss[] = [];
  private dropouts = 0;
  private step: Value | undefined;
  private readonly names = new Set<string>();
  private path: string[] = [];

  constructor(readonly mode: 'train' | 'infer') {}

  /** Runs `body` with `name` appended to the scope. */
  scope<T>(name: string, body: () => T): T {
    this.path.push(name);
    try {
      return body();
    } finally {
      this.path.pop();
    }
  }

  private label(name: string): string {
    return [...this.path, name].join('.');
  }

  private register(list: Value[], name: string, shape: Shape, dtype: DType, role: Role): Value {
    if (this.names.has(name))
      throw new UserError(`two tensors are named ${name}: give the blocks different scopes`);
    this.names.add(name);
    const value = makeValue(name, shape, dtype, role);
    list.push(value);
    return value;
  }

  input(name: string, shape: Shape, dtype: DType): Value {
    return this.register(this.inputs, name, shape, dtype, 'input');
  }

  param(name: string, shape: Shape, initial: Initial): Value {
    if (!shape.every((length) => Number.isInteger(length) && length > 0)) {
      throw new UserError(
        `${this.label(name)}: expected a shape of whole numbers from 1, got ${formatShape(shape)}; look at the numbers of channels and groups`,
      );
    }
    const value = this.register(this.params, this.label(name), shape, 'f32', 'param');
    this.initial.set(value.id, initial);
    return value;
  }

  /** A vector kept between runs but not trained. */
  state(name: string, shape: Shape, initialValue: number): Value {
    const value = this.register(this.states, this.label(name), shape, 'f32', 'state');
    this.initial.set(value.id, { kind: 'constant', value: initialValue });
    return value;
  }

  readonly emit: EmitOp = (op, inputs, attrs, options = {}) => {
    const made = makeNode(op, inputs, attrs, this.label(options.label ?? op), options.phase ?? 'forward');
    this.nodes.push(made.node);
    return made.outputs;
  };

  /** Convolution; `name` scopes its weight and bias. */
  conv(name: string, x: Value, options: ConvOptions): Value {
    const [kh, kw] = pair(options.kernel);
    const { out, stride = 1, dilation = 1, groups = 1, normalize } = options;
    return this.scope(name, () => {
      const fanOut = (kh * kw * out) / groups;
      const weight = this.param('weight', [kh, kw, x.shape[3] / groups, out], {
        kind: 'normal',
        deviation: options.deviation ?? Math.sqrt(2 / fanOut),
      });
      const bias = options.bias
        ? this.param('bias', [1, 1, 1, out], { kind: 'constant', value: 0 })
        : undefined;
      const attrs: ConvAttrs = {
        stride: [stride, stride],
        dilation: [kh > 1 ? dilation : 1, kw > 1 ? dilation : 1],
        padding: [
          sameSizePadding(x.shape[1], kh, stride, dilation),
          sameSizePadding(x.shape[2], kw, stride, dilation),
        ],
        groups,
        ...(normalize ? { normalize } : {}),
      };
      return this.emit('conv2d', { x, weight, bias }, attrs).y;
    });
  }

  /** Transposed convolution: each pixel of `x` is spread over a window of the larger result. */
  convTranspose(name: string, x: Value, options: ConvTransposeOptions): Value {
    const { out, kernel, stride, height, width } = options;
    const inputs = x.shape[3];
    const vector: Shape = [1, 1, 1, out];
    return this.scope(name, () => {
      const weight = this.param('weight', [kernel, kernel, out, inputs], {
        kind: 'normal',
        // He's, with what one pixel of the result is the sum of.
        deviation: Math.sqrt(2 / (Math.max(1, kernel / stride) ** 2 * inputs)),
      });
      const attrs = {
        stride: [stride, stride] as const,
        dilation: [1, 1] as const,
        padding: [
          sameSizePadding(height, kernel, stride, 1),
          sameSizePadding(width, kernel, stride, 1),
        ] as const,
        groups: 1,
        height,
        width,
      };
      const bias = options.bias ? this.param('bias', vector, { kind: 'constant', value: 0 }) : undefined;
      return this.emit('conv2dGradInput', { gy: x, weight, bias }, attrs, { label: 'convTranspose' }).gx;
    });
  }

  /** A vector of equal numbers, the same one each time. */
  private constant(channels: number, value: number): Value {
    const key = `${value}×${channels}`;
    let known = this.constants.get(key);
    if (!known) {
      const shape: Shape = [1, 1, 1, channels];
      const phase = this.mode === 'infer' ? 'prepare' : 'forward';
      const { node, outputs } = makeNode('fill', {}, { shape, value }, `constant.${key}`, phase);
      known = { node, y: outputs.y };
      this.constants.set(key, known);
    }
    return known.y;
  }

  private slope(channels: number): Value {
    return this.param('slope', [1, 1, 1, channels], { kind: 'constant', value: 0.25 });
  }

  prelu(name: string, x: Value): Value {
    return this.scope(name, () => this.emit('prelu', { x, slope: this.slope(x.shape[3]) }, {}).y);
  }

  relu(x: Value): Value {
    return this.emit('relu', { x, zero: this.constant(x.shape[3], 0) }, {}).y;
  }

  sigmoid(x: Value): Value {
    return this.pointwise('sigmoid', x);
  }

  /** A function of every element, by its name in `ops/pointwise/table.ts`. */
  pointwise(name: KernelFunction, x: Value): Value {
    return this.emit(name, { x }, {}).y;
  }

  /** Batch normalisation (momentum 0.1, `eps` 1e-5 by default), followed by an activation if `act` says so. */
  batchNorm(
    name: string,
    x: Value,
    options: { readonly act?: Activation; readonly eps?: number } = {},
  ): Value {
    const channels = x.shape[3];
    const { eps = 1e-5 } = options;
    return this.scope(name, () => {
      const vector: Shape = [1, 1, 1, channels];
      const gamma = this.param('gamma', vector, { kind: 'constant', value: 1 });
      const beta = this.param('beta', vector, { kind: 'constant', value: 0 });
      const slope =
        options.act === 'prelu'
          ? this.slope(channels)
          : options.act === 'relu'
            ? this.constant(channels, 0)
            : undefined;
      const mean = this.state('mean', vector, 0);
      const variance = this.state('variance', vector, 1);
      if (this.mode === 'infer') {
        const folded = this.emit(
          'foldCoefficients',
          { gamma, beta, mean, variance },
          { eps },
          { phase: 'prepare' },
        );
        return this.emit('affine', { x, scale: folded.scale, shift: folded.shift, slope }, { sign: 1 }).y;
      }
      // One value has variance zero, which its unbiased estimate (times count/(count − 1)) must leave.
      const count = Math.max(2, x.shape[0] * x.shape[1] * x.shape[2]);
      const { stats } = this.emit('batchStats', { x }, { eps });
      this.emit('runningStats', { stats, mean, variance }, { momentum: runningMomentum, count });
      return this.emit('batchNorm', { x, stats, gamma, beta, slope }, {}).y;
    });
  }

  pyramidPool(name: string, x: Value, attrs: PyramidAttrs): Value {
    return this.emit('pyramidPool', { x }, attrs, { label: name }).y;
  }

  /** Largest value of each window, and where it was, for `maxUnpool`. Sizes as of a strided `conv`. */
  maxPool(x: Value, attrs: WindowAttrs): { readonly y: Value; readonly index: Value } {
    return this.emit('maxPool', { x }, attrs);
  }

  /** Puts values back where a `maxPool` of those `attrs` took them from an image of `height×width`. */
  maxUnpool(
    x: Value,
    index: Value,
    attrs: WindowAttrs & { readonly height: number; readonly width: number },
  ): Value {
    return this.emit('maxUnpool', { x, index }, attrs).y;
  }

  adaptivePool(x: Value, height: number, width: number): Value {
    return this.emit('adaptivePool', { x }, { height, width }).y;
  }

  /** Bilinear resampling to `height×width`; `x` itself where it has that size. */
  resize(x: Value, height: number, width: number, { alignCorners }: Corners = {}): Value {
    if (x.shape[1] === height && x.shape[2] === width) return x;
    return this.emit('resizeBilinear', { x }, { height, width, alignCorners }).y;
  }

  /** `a·b`; `b` may be one pixel per image. */
  multiply(a: Value, b: Value): Value {
    return this.emit('multiply', { a, b }, {}).y;
  }

  /** The image as normalised numbers, for networks that do more with it than one convolution. */
  normalizeImage(images: Value, normalization: Normalization): Value {
    return this.emit('normalizeImage', { x: images }, normalization).y;
  }

  /** Whole channels set to zero with probability `rate`, the others scaled up (Tompson et al. 2015). Training only. */
  dropout(x: Value, rate: number): Value {
    if (this.mode === 'infer' || rate === 0) return x;
    const [n, , , c] = x.shape;
    if (!this.step) {
      const counter = this.register(this.states, 'dropout.step', [1, 1, 1, 1], 'f32', 'state');
      this.initial.set(counter.id, { kind: 'constant', value: 0 });
      this.step = this.emit('countStep', { counter }, {}).next;
    }
    const seed = this.dropouts++;
    const { mask } = this.emit('dropoutMask', { step: this.step }, { rate, seed, shape: [n, 1, 1, c] });
    return this.multiply(x, mask);
  }

  /** Adds `weight` times the loss of a side branch; `body` builds its logits and runs in training only. */
  auxiliary(name: string, weight: number, body: () => Value): void {
    if (this.mode === 'infer') return;
    const logits = this.scope(name, body);
    this.sideBranches.push({ name, logits, weight });
  }

  /** The side branches built so far. */
  get auxiliaryLosses(): readonly AuxiliaryLoss[] {
    return this.sideBranches;
  }

  concat(...parts: readonly Value[]): Value {
    return this.emit('concat', Object.fromEntries(parts.map((part, i) => [`x${i}`, part])), {}).y;
  }

  split(x: Value, sizes: readonly number[]): Value[] {
    const parts = this.emit('split', { x }, { sizes });
    return sizes.map((_, i) => parts[`y${i}`]);
  }

  add(a: Value, b: Value): Value {
    return this.emit('add', { a, b }, { sign: 1 }).y;
  }

  /** Marks what `body` builds as recomputable: under the policies that recompute, only its inputs are kept. */
  checkpoint<T>(body: () => T): T {
    const first = this.nodes.length;
    this.twiceNodes = [];
    const result = body();
    const nodes = this.nodes.slice(first);
    this.regions.push({
      kind: 'checkpoint',
      nodes,
      ...(this.twiceNodes[0] ? { twice: this.twiceNodes } : {}),
    });
    return result;
  }

  /**
   * What a checkpoint starts with, where that is cheap and large: recomputed for what follows, and once more for its own
   * gradient, so that it does not wait in memory while the rest has its turn.
   */
  twice<T>(body: () => T): T {
    const first = this.nodes.length;
    const result = body();
    this.twiceNodes.push(...this.nodes.slice(first));
    return result;
  }

  /** `y1 = x1 + F(x2)`, `y2 = x2 + G(y1)` (Gomez et al. 2017): its inputs can be computed back from its outputs. */
  reversible(
    name: string,
    [x1, x2]: readonly [Value, Value],
    f: (x: Value) => Value,
    g: (x: Value) => Value,
  ): [Value, Value] {
    return this.scope(name, () => {
      const first = this.nodes.length;
      const half = (part: string, body: (x: Value) => Value, x: Value) => {
        const start = this.nodes.length;
        const out = this.scope(part, () => body(x));
        return { nodes: this.nodes.slice(start), out };
      };
      const fHalf = half('F', f, x2);
      const y1 = this.add(x1, fHalf.out);
      const gHalf = half('G', g, y1);
      const y2 = this.add(x2, gHalf.out);
      this.regions.push({
        kind: 'reversible',
        label: this.label('').slice(0, -1),
        nodes: this.nodes.slice(first),
        x1,
        x2,
        y1,
        y2,
        f: fHalf,
        g: gHalf,
      });
      return [y1, y2];
    });
  }

  /** The finished graph; `outputs` is what the caller reads after a run. */
  finish(outputs: Readonly<Record<string, Value>>): Graph {
    return {
      nodes: [...[...this.constants.values()].map(({ node }) => node), ...this.nodes],
      regions: this.regions,
      inputs: this.inputs,
      params: this.params,
      states: this.states,
      initial: this.initial,
      gradients: new Map(),
      outputs,
    };
  }
}
