import { UserError } from '../errors.js';
import type { Shape, Value } from '../ir/value.js';
import { formatShape, sizeOf } from '../ir/value.js';
import { expectShape, expectVectors } from './fit.js';
import type { ChannelMap, Normalization, OpDef, Place, Prologue, RewriteContext } from './op.js';
import type { InputRange } from './taps.js';

/** Geometry of a convolution; pairs are `[vertical, horizontal]`. Padding is zeros, the same on both sides. */
export interface ConvAttrs {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  /** Set where `x` is a u8 image: the convolution sees `(x / 255 − mean[c]) / std[c]`; padding is zero after that. */
  readonly normalize?: Normalization;
  /**
   * Allows a backend to round inputs and weights to integers before it multiplies them: of 16 bits, scaled so that the error
   * is below three thousandths of the largest output, or of 8 bits with a scale for every sixteen of them. Inference only.
   */
  readonly products?: 'i16' | 'i8';
}

/** Geometry of a convolution, and where its activation is. */
export interface ActivatedConvAttrs extends ConvAttrs {
  /** `sum`: the PReLU comes last, after the residual. Default: before it. */
  readonly activates?: 'sum';
}

/** Padding zeros are inserted after the prologue. */
export interface ConvInputs extends Prologue {
  /** `N×H×W×Cin`, f32, or u8 with `normalize`. */
  readonly x: Value;
  /** `kh×kw×(Cin/groups)×Cout`. */
  readonly weight: Value;
  readonly bias?: Value;
  /** Epilogue: PReLU slope per output channel, applied after the bias, or with `activates` after the residual. */
  readonly slope?: Value;
  /** Epilogue: added last, or with `activates` before the PReLU; same shape as `y`. */
  readonly residual?: Value;
}

/** Output length of a strided, dilated window: `⌊(n + 2p − d(k−1) − 1) / s⌋ + 1`. */
export const convLength = (n: number, k: number, s: number, p: number, d: number): number =>
  Math.floor((n + 2 * p - d * (k - 1) - 1) / s) + 1;

const outputShape = (x: Shape, weight: Shape, attrs: ConvAttrs): Shape => [
  x[0],
  convLength(x[1], weight[0], attrs.stride[0], attrs.padding[0], attrs.dilation[0]),
  convLength(x[2], weight[1], attrs.stride[1], attrs.padding[1], attrs.dilation[1]),
  weight[3],
];

/**
 * `y = prelu(conv(x̂, weight) + bias) + residual`, or `prelu(conv(x̂, weight) + bias + residual)`; cross-correlation as every
 * framework defines it.
 */
export const conv2d: OpDef<ConvInputs, { y: Value }, ActivatedConvAttrs> = {
  infer({ x, weight, bias, slope, residual, preScale, preShift, preSlope }, attrs) {
    if (weight.shape[2] * attrs.groups !== x.shape[3]) {
      throw new UserError(
        `${weight.name}: weight ${formatShape(weight.shape)} with ${attrs.groups} group(s) does not fit ${x.shape[3]} input channels`,
      );
    }
    if (weight.shape[3] % attrs.groups !== 0) {
      throw new UserError(
        `${weight.name}: ${weight.shape[3]} output channels cannot be divided into ${attrs.groups} groups`,
      );
    }
    const shape = outputShape(x.shape, weight.shape, attrs);
    if (shape[1] < 1 || shape[2] < 1) {
      throw new UserError(
        `${weight.name}: an input of ${x.shape[1]}×${x.shape[2]} is smaller than the kernel`,
      );
    }
    expectVectors(x.shape[3], preScale, preShift, preSlope);
    expectVectors(shape[3], bias, slope);
    expectShape('conv2d', residual, shape);
    return { y: { shape, dtype: 'f32' } };
  },
  gradient({ inputs: { x, weight, bias }, attrs }, { y: gy }, { emit, needsGradient }) {
    if (!gy) return {};
    const { gweight } = emit('conv2dGradWeight', { x, gy }, { ...attrs, kernel: kernelOf(weight.shape) });
    return {
      weight: gweight,
      ...(bias ? { bias: emit('sumPixels', { x: gy }, {}).sum } : {}),
      ...(needsGradient(x)
        ? {
            x: emit('conv2dGradInput', { gy, weight }, { ...attrs, height: x.shape[1], width: x.shape[2] })
              .gx,
          }
        : {}),
    };
  },
  features: ['x', 'residual', 'y'],
  flops: ({ inputs: { weight }, outputs: { y } }) =>
    2 * (sizeOf(y.shape) / y.shape[3]) * sizeOf(weight.shape),
  inPlace: { y: ['residual'] },
  shortProducts: true,
  prologue: 'x',
  bytes: 'x',
  absorb({ inputs, attrs, label }, map, { emit }) {
    if (inputs.slope) return undefined;
    if (inputs.residual) {
      const { scale, slope } = map;
      const activates = 'sum' as const;
      return scale ? undefined : emit('conv2d', { ...inputs, slope }, { ...attrs, activates }, { label }).y;
    }
    const folded = folding(inputs, map, emit, { of: 'outputs', label });
    return emit('conv2d', { ...inputs, ...folded }, attrs, { label }).y;
  },
  accumulate({ inputs, attrs, label }, residual, sign, { emit }) {
    if (inputs.residual || sign !== 1) return undefined;
    return emit('conv2d', { ...inputs, residual }, attrs, { label }).y;
  },
  pointwise({ inputs, attrs, outputs: { y } }) {
    const { x, weight, bias, ...others } = inputs;
    const { stride, padding, normalize } = attrs;
    const one = [weight.shape[0], weight.shape[1], ...stride].every((n) => n === 1);
    const alone = Object.values(others).every((input) => !input) && !normalize;
    if (!one || !alone || padding.some((n) => n > 0) || y.shape[3] > x.shape[3]) return undefined;
    return {
      x,
      of: (other, { emit, label }) => emit('conv2d', { x: other, weight, bias }, attrs, { label }).y,
    };
  },
  sumOfChannels({ inputs, attrs }) {
    const { x, weight, bias, slope, ...others } = inputs;
    const { stride, padding, dilation, groups, normalize } = attrs;
    const alone = Object.values(others).every((input) => !input) && !normalize;
    if (!alone || groups > 1 || stride.some((n) => n > 1)) return undefined;
    const kernel = kernelOf(weight.shape);
    const taps = kernel[0] * kernel[1];
    const part = (ranges: readonly InputRange[], apart: boolean, { emit, label }: Place) =>
      ranges.length === 1 && ranges[0][1] === weight.shape[2] && (taps === 1 || !apart)
        ? weight
        : emit('weightPart', { weight }, { ranges, apart }, { label, phase: 'prepare' }).y;
    return {
      ...{ x, taps },
      whole(map, channels, sum, place) {
        const some = part(channels, false, place);
        const operands = { x: map, weight: some, bias, slope, residual: sum };
        const activates = slope ? ({ activates: 'sum' } as const) : {};
        return place.emit('conv2d', operands, { ...attrs, ...activates }, { label: place.label }).y;
      },
      ofUpsampled(map, from, upsampling, sum, place) {
        const { emit, label } = place;
        const pixelwise: ConvAttrs = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
        const made = emit(
          'conv2d',
          { x: map, weight: part([[from, map.shape[3]]], true, place) },
          pixelwise,
          {
            label,
          },
        ).y;
        return emit('upsampleTaps', { x: made, sum }, { kernel, padding, dilation, ...upsampling }, { label })
          .y;
      },
    };
  },
};

interface Weights {
  readonly weight: Value;
  readonly bias?: Value;
}

/** Weight and bias of a convolution with the channel map after it in them, and the slope that is left of it. */
function folding(
  { weight, bias }: Weights,
  { scale, shift, slope, label: mapLabel }: ChannelMap,
  emit: RewriteContext['emit'],
  { of, label }: ScaledChannels & { readonly label: string },
): Weights & { readonly slope?: Value } {
  if (!scale || !shift) return { weight, bias, slope };
  const scaled = emit('scaleWeight', { weight, scale }, { of }, { label, phase: 'prepare' }).y;
  if (!bias) return { weight: scaled, bias: shift, slope };
  // `scale·(x + bias) + shift = scale·x + (scale·bias + shift)`: the last term, computed once.
  const options = { label: `${mapLabel}.bias`, phase: 'prepare' } as const;
  const moved = emit('affine', { x: bias, scale, shift }, { sign: 1 }, options).y;
  return { weight: scaled, bias: moved, slope };
}

const kernelOf = (weight: Shape): readonly [number, number] => [weight[0], weight[1]];

/**
 * Gradient with respect to the input; as a layer the transposed convolution, with the epilogue of a convolution:
 * `gx = prelu(convᵀ(gy, weight) + bias) + acc`. `height`, `width`: of `gx`.
 */
export const conv2dGradInput: OpDef<
  { gy: Value; weight: Value; bias?: Value; slope?: Value; acc?: Value },
  { gx: Value },
  ConvAttrs & { readonly height: number; readonly width: number }
> = {
  infer({ gy, weight, bias, slope, acc }, { height, width, groups }) {
    const shape: Shape = [gy.shape[0], height, width, weight.shape[2] * groups];
    expectVectors(shape[3], bias, slope);
    expectShape('conv2dGradInput', acc, shape);
    return { gx: { shape, dtype: 'f32' } };
  },
  // Its own transpose is the convolution: this is what trains networks that upsample with it.
  gradient(
    { inputs: { gy, weight, bias, acc }, attrs: { height: _h, width: _w, ...attrs } },
    { gx },
    { emit, needsGradient },
  ) {
    if (!gx) return {};
    const { gweight } = emit('conv2dGradWeight', { x: gx, gy }, { ...attrs, kernel: kernelOf(weight.shape) });
    return {
      weight: gweight,
      ...(bias ? { bias: emit('sumPixels', { x: gx }, {}).sum } : {}),
      ...(acc ? { acc: gx } : {}),
      ...(needsGradient(gy) ? { gy: emit('conv2d', { x: gx, weight }, attrs).y } : {}),
    };
  },
  features: ['gy', 'acc', 'gx'],
  flops: ({ inputs: { gy, weight } }) => 2 * (sizeOf(gy.shape) / gy.shape[3]) * sizeOf(weight.shape),
  inPlace: { gx: ['acc'] },
  absorb({ inputs, attrs, label }, map, { emit }) {
    if (inputs.slope || inputs.acc) return undefined;
    const folded = folding(inputs, map, emit, { of: 'inputs', label });
    return emit('conv2dGradInput', { ...inputs, ...folded }, attrs, { label }).gx;
  },
  accumulate({ inputs, attrs, label }, acc, sign, { emit }) {
    if (inputs.acc || sign !== 1) return undefined;
    return emit('conv2dGradInput', { ...inputs, acc }, attrs, { label }).gx;
  },
};

/** Gradient with respect to the weight: `Σ x̂[shifted] ⊗ gy` over all images and pixels. */
export const conv2dGradWeight: OpDef<
  { x: Value; gy: Value } & Prologue,
  { gweight: Value },
  ConvAttrs & { readonly kernel: readonly [number, number] }
> = {
  infer: ({ x, gy }, { kernel, groups }) => ({
    gweight: { shape: [kernel[0], kernel[1], x.shape[3] / groups, gy.shape[3]], dtype: 'f32' },
  }),
  features: ['x', 'gy'],
  flops: ({ inputs: { gy }, outputs: { gweight } }) =>
    2 * (sizeOf(gy.shape) / gy.shape[3]) * sizeOf(gweight.shape),
  prologue: 'x',
  bytes: 'x',
};

/** Sum over all images and pixels, per channel: the gradient of a bias. `x`: `N×H×W×C`, `sum`: `1×1×1×C`. */
export const sumPixels: OpDef<{ x: Value }, { sum: Value }, object> = {
  infer: ({ x }) => ({ sum: { shape: [1, 1, 1, x.shape[3]], dtype: 'f32' } }),
  features: ['x'],
  flops: ({ inputs: { x } }) => sizeOf(x.shape),
};

/** Which channels of a weight a scale belongs to: `outputs`, or of a transposed convolution `inputs`. */
export interface ScaledChannels {
  readonly of: 'outputs' | 'inputs';
}

/**
 * `weight · scale[Cout]`, or `weight · scale[Cin]`: a batch norm folded into the convolution before it (inference, once per
 * weight change). `weight`: `kh×kw×Cin×Cout`, of one group where the inputs are scaled.
 */
export const scaleWeight: OpDef<{ weight: Value; scale: Value }, { y: Value }, ScaledChannels> = {
  infer({ weight, scale }, { of }) {
    expectVectors(weight.shape[of === 'inputs' ? 2 : 3], scale);
    return { y: { shape: weight.shape, dtype: 'f32' } };
  },
  flops: ({ inputs: { weight } }) => sizeOf(weight.shape),
};
