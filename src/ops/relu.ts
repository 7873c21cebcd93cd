import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectVectors } from './fit.js';
import type { OpDef } from './op.js';

/**
 * `y = max(x, 0)`. `zero`: `1×1×1×C` zeros. Lowered to a `prelu` of slope zero, which moves into every
 * kernel that has a PReLU: no backend has it. The gradient needs `y` only, so `x` may be overwritten.
 */
export const relu: OpDef<{ x: Value; zero: Value }, { y: Value }, object> = {
  infer({ x, zero }) {
    expectVectors(x.shape[3], zero);
    return { y: { shape: x.shape, dtype: 'f32' } };
  },
  gradient({ outputs: { y } }, { y: gy }, { emit }) {
    return gy ? { x: emit('reluGrad', { y, gy }, {}).gx } : {};
  },
  flops: ({ outputs: { y } }) => sizeOf(y.shape),
  inPlace: [['y', 'x']],
  lower: ({ inputs: { x, zero } }, { emit }) => emit('prelu', { x, slope: zero }, {}),
};

/** `gx = y > 0 ? gy : 0`. */
export const reluGrad: OpDef<{ y: Value; gy: Value }, { gx: Value }, object> = {
  infer: ({ gy }) => ({ gx: { shape: gy.shape, dtype: 'f32' } }),
  features: ['y', 'gy', 'gx'],
  flops: ({ outputs: { gx } }) => sizeOf(gx.shape),
  inPlace: [
    ['gx', 'gy'],
    ['gx', 'y'],
  ],
};
