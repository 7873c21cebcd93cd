import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { OpDef } from './op.js';

/** Indices into the `hyper` input of `sgd`, a `1×1×1×4` vector the trainer writes before each update. */
export const sgdHyper = {
  learningRate: 0,
  momentum: 1,
  /** L2 term added to the gradient. */
  weightDecay: 2,
} as const;

/**
 * SGD with momentum over the flat parameter region, in PyTorch's form:
 * `g += weightDecay·p; v = momentum·v + g; p −= lr·v`. All `1×1×1×P`, in place.
 */
export const sgd: OpDef<
  { param: Value; grad: Value; velocity: Value; hyper: Value },
  { newParam: Value; newVelocity: Value },
  object
> = {
  infer: ({ param }) => ({
    newParam: { shape: param.shape, dtype: 'f32' },
    newVelocity: { shape: param.shape, dtype: 'f32' },
  }),
  flops: ({ inputs: { param } }) => 6 * sizeOf(param.shape),
  inPlace: { newParam: ['param'], newVelocity: ['velocity'] },
  updatesState: true,
};
