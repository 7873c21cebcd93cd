import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectShape } from './fit.js';
import type { OpDef } from './op.js';

/**
 * Stands before an optimiser's update: `norm = √Σgrad²` (`1×1×1×1`), and where that is not finite the update changes
 * nothing, because it gets a gradient of zeros and `still` in place of `hyper`. So whoever runs steps need not wait for
 * a gradient to look at it. `grad`: `1×1×1×P`; `hyper`: `1×1×1×H`, H the length of `still`.
 */
export const guard: OpDef<
  { grad: Value; hyper: Value },
  { newGrad: Value; newHyper: Value; norm: Value },
  { readonly still: readonly number[] }
> = {
  infer({ grad, hyper }, { still }) {
    expectShape('guard', hyper, [1, 1, 1, still.length]);
    return {
      newGrad: { shape: grad.shape, dtype: 'f32' },
      newHyper: { shape: hyper.shape, dtype: 'f32' },
      norm: { shape: [1, 1, 1, 1], dtype: 'f32' },
    };
  },
  flops: ({ inputs: { grad } }) => 2 * sizeOf(grad.shape),
  inPlace: { newGrad: ['grad'] },
  updatesState: true,
};
