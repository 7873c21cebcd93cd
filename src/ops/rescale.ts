import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { Emit, OpDef } from './op.js';

/**
 * `y = x·factor`, or `x/factor` with `invert`, in place. `factor`: `1×1×1×1`, written by the caller. Loss scaling: what
 * the loss sends back is multiplied, so that small gradients survive in float16, and the parameters' are divided.
 */
export const rescale: OpDef<{ x: Value; factor: Value }, { y: Value }, { readonly invert: boolean }> = {
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: x.dtype } }),
  flops: ({ inputs: { x } }) => sizeOf(x.shape),
  inPlace: { y: ['x'] },
  updatesState: true,
};

/** `x` times (with `invert` divided by) a factor that the caller writes. */
export const rescaled = (emit: Emit, x: Value, factor: Value, invert = false): Value =>
  emit('rescale', { x, factor }, { invert }).y;
