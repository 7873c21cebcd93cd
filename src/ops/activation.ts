import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectVectors } from './fit.js';
import type { OpDef } from './op.js';

/** `y = x > 0 ? x : slope[c]·x`. */
export const prelu: OpDef<{ x: Value; slope: Value }, { y: Value }, object> = {
  infer({ x, slope }) {
    expectVectors(x.shape[3], slope);
    return { y: { shape: x.shape, dtype: 'f32' } };
  },
  gradient({ inputs: { x, slope } }, { y: gy }, { emit }) {
    if (!gy) return {};
    const { gx, gslope } = emit('preluGrad', { x, slope, gy }, {});
    return { x: gx, slope: gslope };
  },
  features: ['x', 'y'],
  flops: ({ outputs: { y } }) => sizeOf(y.shape),
  inPlace: { y: ['x'] },
  map: ({ inputs, label }) => ({ ...inputs, label }),
};

/** `gx = x > 0 ? gy : slope[c]·gy`, `gslope[c] = Σ min(x, 0)·gy` over all images and pixels. */
export const preluGrad: OpDef<{ x: Value; slope: Value; gy: Value }, { gx: Value; gslope: Value }, object> = {
  infer: ({ x, slope }) => ({
    gx: { shape: x.shape, dtype: 'f32' },
    gslope: { shape: slope.shape, dtype: 'f32' },
  }),
  features: ['x', 'gy', 'gx'],
  flops: ({ outputs: { gx } }) => 3 * sizeOf(gx.shape),
  // Over `x` first: then `gy` may have no memory at all.
  inPlace: { gx: ['x', 'gy'] },
};
