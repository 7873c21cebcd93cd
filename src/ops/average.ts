import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectShape } from './fit.js';
import type { OpDef } from './op.js';

/**
 * Exponential moving average, in place: `average += (1 − decay)·(x − average)`. `x`, `average`: `1×1×1×P`; `decay`:
 * `1×1×1×1`, in [0, 1), written by the caller.
 */
export const average: OpDef<{ x: Value; average: Value; decay: Value }, { newAverage: Value }, object> = {
  infer({ x, average, decay }) {
    expectShape('average', average, x.shape);
    expectShape('average', decay, [1, 1, 1, 1]);
    return { newAverage: { shape: x.shape, dtype: 'f32' } };
  },
  flops: ({ inputs: { x } }) => 3 * sizeOf(x.shape),
  inPlace: { newAverage: ['average'] },
  updatesState: true,
};
