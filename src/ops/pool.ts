import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { convLength } from './conv.js';
import { expectVectors } from './fit.js';
import type { OpDef, Prologue } from './op.js';

/** Odd window sizes, and the common stride. Each window k has padding ⌊k/2⌋. */
export interface PyramidAttrs {
  readonly kernels: readonly number[];
  readonly stride: number;
}

/**
 * `y = prelu(scale·p + shift)` with `p = Σₖ avgpool k×k(x̂)`, padding ⌊k/2⌋ whose zeros count in the average
 * (divide by k²). The pooling half of CPP; one kernel makes it an ordinary average pooling. Epilogue optional.
 */
export const pyramidPool: OpDef<
  { x: Value; scale?: Value; shift?: Value; slope?: Value } & Prologue,
  { y: Value },
  PyramidAttrs
> = {
  infer({ x, scale, shift, slope, preScale, preShift, preSlope }, { stride }) {
    const [n, h, w, c] = x.shape;
    expectVectors(c, scale, shift, slope, preScale, preShift, preSlope);
    const shape = [n, convLength(h, 1, stride, 0, 1), convLength(w, 1, stride, 0, 1), c] as const;
    return { y: { shape, dtype: 'f32' } };
  },
  gradient({ inputs: { x }, attrs }, { y: gy }, { emit, needsGradient }) {
    if (!gy || !needsGradient(x)) return {};
    return {
      x: emit('pyramidPoolGrad', { gy }, { ...attrs, height: x.shape[1], width: x.shape[2] }).gx,
    };
  },
  features: ['x', 'y'],
  flops: ({ outputs: { y }, attrs }) =>
    sizeOf(y.shape) * attrs.kernels.reduce((sum, k) => sum + k * k + 1, 0),
  prologue: 'x',
  absorb({ inputs, attrs, label }, { scale, shift, slope }, { emit }) {
    if (inputs.scale || inputs.slope) return undefined;
    return emit('pyramidPool', { ...inputs, scale, shift, slope }, attrs, { label }).y;
  },
};

/** Gradient of `pyramidPool` with respect to `x̂`, `+ acc` where given. `height`, `width`: of `gx`. */
export const pyramidPoolGrad: OpDef<
  { gy: Value; acc?: Value },
  { gx: Value },
  PyramidAttrs & { readonly height: number; readonly width: number }
> = {
  infer: ({ gy }, { height, width }) => ({
    gx: { shape: [gy.shape[0], height, width, gy.shape[3]], dtype: 'f32' },
  }),
  features: ['gy', 'acc', 'gx'],
  flops: ({ inputs: { gy }, attrs }) =>
    sizeOf(gy.shape) * attrs.kernels.reduce((sum, k) => sum + k * k + 1, 0),
  inPlace: { gx: ['acc'] },
  accumulate({ inputs, attrs, label }, acc, sign, { emit }) {
    if (inputs.acc || sign !== 1) return undefined;
    return emit('pyramidPoolGrad', { ...inputs, acc }, attrs, { label }).gx;
  },
};
