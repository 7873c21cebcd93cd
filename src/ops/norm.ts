import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectShape, expectVectors } from './fit.js';
import type { OpDef } from './op.js';

/**
 * Statistics over all images and pixels per channel. `stats` is `1×1×3×C`: rows mean, biased variance,
 * `1/√(variance + eps)`. Kept by the backward pass: recomputing them would only add rounding.
 */
export const batchStats: OpDef<{ x: Value }, { stats: Value }, { readonly eps: number }> = {
  infer: ({ x }) => ({ stats: { shape: [1, 1, 3, x.shape[3]], dtype: 'f32' } }),
  features: ['x'],
  flops: ({ inputs: { x } }) => 3 * sizeOf(x.shape),
  keep: true,
};

/** Share of the newest batch in running statistics. */
export const runningMomentum = 0.1;

/**
 * Running statistics after a training step: `(1 − momentum)·running + momentum·batch`, with the unbiased batch
 * variance `variance·count/(count − 1)`, `count = N·H·W`. Outputs replace the states of the same meaning in place.
 */
export const runningStats: OpDef<
  { stats: Value; mean: Value; variance: Value },
  { newMean: Value; newVariance: Value },
  { readonly momentum: number; readonly count: number }
> = {
  infer: ({ mean, variance }) => ({
    newMean: { shape: mean.shape, dtype: 'f32' },
    newVariance: { shape: variance.shape, dtype: 'f32' },
  }),
  flops: ({ inputs: { mean } }) => 6 * sizeOf(mean.shape),
  inPlace: { newMean: ['mean'], newVariance: ['variance'] },
  keep: true,
  updatesState: true,
};

/**
 * Batch normalisation by given statistics, then PReLU where a slope is given:
 * `y = prelu(gamma·(x − mean)·rstd + beta)`. Lowered to `normCoefficients` and `affine`: no backend has it.
 */
export const batchNorm: OpDef<
  { x: Value; stats: Value; gamma: Value; beta: Value; slope?: Value },
  { y: Value },
  object
> = {
  infer({ x, stats, gamma, beta, slope }) {
    const channels = x.shape[3];
    expectShape('batchNorm', stats, [1, 1, 3, channels]);
    expectVectors(channels, gamma, beta, slope);
    return { y: { shape: x.shape, dtype: 'f32' } };
  },
  gradient({ inputs: { x, stats, gamma, beta, slope } }, { y: gy }, { emit }) {
    if (!gy) return {};
    const { gx, ggamma, gbeta, gslope } = emit('batchNormGrad', { x, stats, gamma, beta, slope, gy }, {});
    return { x: gx, gamma: ggamma, beta: gbeta, ...(slope ? { slope: gslope } : {}) };
  },
  flops: ({ outputs: { y } }) => 3 * sizeOf(y.shape),
  inPlace: { y: ['x'] },
  lower({ inputs: { x, stats, gamma, beta, slope } }, { emit }) {
    const coefficients = emit('normCoefficients', { stats, gamma, beta }, {});
    return emit('affine', { x, ...coefficients, slope }, { sign: 1 });
  },
};

/**
 * Gradient of `batchNorm`, through the statistics too. With `x̂ = (x − mean)·rstd`, `z = gamma·x̂ + beta` and
 * `gz = gy·prelu'(z)` (`gz = gy` without slope), M pixels in all images:
 * `gbeta = Σ gz`, `ggamma = Σ gz·x̂`, `gslope = Σ gy·min(z, 0)`, `gx = gamma·rstd·(gz − gbeta/M − x̂·ggamma/M)`.
 * Without a slope `gslope` is written as zeros.
 */
export const batchNormGrad: OpDef<
  { x: Value; stats: Value; gamma: Value; beta: Value; slope?: Value; gy: Value },
  { gx: Value; ggamma: Value; gbeta: Value; gslope: Value },
  object
> = {
  infer: ({ x, gamma }) => ({
    gx: { shape: x.shape, dtype: 'f32' },
    ggamma: { shape: gamma.shape, dtype: 'f32' },
    gbeta: { shape: gamma.shape, dtype: 'f32' },
    gslope: { shape: gamma.shape, dtype: 'f32' },
  }),
  features: ['x', 'gy', 'gx'],
  flops: ({ outputs: { gx } }) => 10 * sizeOf(gx.shape),
  inPlace: { gx: ['x', 'gy'] },
};

/** `scale = gamma·rstd`, `shift = beta − mean·scale`, from the rows of `stats` (see `batchStats`). */
export const normCoefficients: OpDef<
  { stats: Value; gamma: Value; beta: Value },
  { scale: Value; shift: Value },
  object
> = {
  infer: ({ gamma }) => ({
    scale: { shape: gamma.shape, dtype: 'f32' },
    shift: { shape: gamma.shape, dtype: 'f32' },
  }),
  flops: ({ inputs: { gamma } }) => 3 * sizeOf(gamma.shape),
  keep: true,
};

/** The same from running statistics: `scale = gamma/√(variance + eps)`, `shift = beta − mean·scale`. Inference. */
export const foldCoefficients: OpDef<
  { gamma: Value; beta: Value; mean: Value; variance: Value },
  { scale: Value; shift: Value },
  { readonly eps: number }
> = {
  infer: ({ gamma }) => ({
    scale: { shape: gamma.shape, dtype: 'f32' },
    shift: { shape: gamma.shape, dtype: 'f32' },
  }),
  flops: ({ inputs: { gamma } }) => 4 * sizeOf(gamma.shape),
};

/** `y = residual + sign·prelu(scale[c]·(x + added) + shift[c])`; added, slope and residual optional, `sign` is 1 or −1. */
export const affine: OpDef<
  { x: Value; added?: Value; scale: Value; shift: Value; slope?: Value; residual?: Value },
  { y: Value },
  { readonly sign: 1 | -1 }
> = {
  infer({ x, added, scale, shift, slope, residual }) {
    expectVectors(x.shape[3], scale, shift, slope);
    expectShape('affine', added, x.shape);
    expectShape('affine', residual, x.shape);
    return { y: { shape: x.shape, dtype: 'f32' } };
  },
  features: ['x', 'added', 'residual', 'y'],
  flops: ({ outputs: { y } }) => 3 * sizeOf(y.shape),
  inPlace: { y: ['residual', 'x', 'added'] },
  map: ({ inputs: { added, residual, ...map }, attrs: { sign }, label }) =>
    added || residual || sign !== 1 ? undefined : { ...map, label },
  accumulate({ inputs, attrs, label }, residual, sign, { emit }) {
    if (inputs.residual || attrs.sign !== 1) return undefined;
    return emit('affine', { ...inputs, residual }, { sign }, { label }).y;
  },
};
