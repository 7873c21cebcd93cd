import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { OpDef } from './op.js';

/** Indices into the `hyper` input of `adam`, a `1×1×1×8` vector the trainer writes before each update. */
export const adamHyper = {
  learningRate: 0,
  beta1: 1,
  beta2: 2,
  eps: 3,
  /** L2 term added to the gradient (Adam), zero for AdamW. */
  weightDecay: 4,
  /** Fraction of the weight removed per unit of learning rate (AdamW), zero for Adam. */
  decoupledDecay: 5,
  /** `1 − beta1ᵗ`, t counted from 1. */
  correction1: 6,
  /** `1 − beta2ᵗ`. */
  correction2: 7,
} as const;

/**
 * Adam (Kingma & Ba 2015) over the flat parameter region, in PyTorch's form:
 * `g += weightDecay·p; p −= lr·decoupledDecay·p; m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²;
 * p −= lr/correction1 · m / (√v/√correction2 + eps)`. All `1×1×1×P`, in place.
 */
export const adam: OpDef<
  { param: Value; grad: Value; m: Value; v: Value; hyper: Value },
  { newParam: Value; newM: Value; newV: Value },
  object
> = {
  infer: ({ param }) => ({
    newParam: { shape: param.shape, dtype: 'f32' },
    newM: { shape: param.shape, dtype: 'f32' },
    newV: { shape: param.shape, dtype: 'f32' },
  }),
  flops: ({ inputs: { param } }) => 12 * sizeOf(param.shape),
  inPlace: { newParam: ['param'], newM: ['m'], newV: ['v'] },
  updatesState: true,
};
