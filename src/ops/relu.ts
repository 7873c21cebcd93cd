import type { Value } from '../ir/value.js';
import { expectVectors } from './fit.js';
import type { OpDef } from './op.js';
import { pointwiseOps } from './pointwise/index.js';

/**
 * `y = max(x, 0)`. `zero`: `1×1×1×C` zeros. Lowered to a `prelu` of slope zero, which moves into every
 * kernel that has a PReLU: no backend has it. The gradient needs `y` only, so `x` may be overwritten.
 */
export const relu: OpDef<{ x: Value; zero: Value }, { y: Value }, object> = {
  ...pointwiseOps.relu,
  infer({ x, zero }) {
    expectVectors(x.shape[3], zero);
    return { y: { shape: x.shape, dtype: 'f32' } };
  },
  lower: ({ inputs: { x, zero } }, { emit }) => emit('prelu', { x, slope: zero }, {}),
};
