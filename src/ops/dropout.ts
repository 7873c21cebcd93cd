import type { Shape, Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { OpDef } from './op.js';

/** `next = counter + 1`, over the state: training steps, so that every step drops other channels. `1×1×1×1`. */
export const countStep: OpDef<{ counter: Value }, { next: Value }, object> = {
  infer: ({ counter }) => ({ next: { shape: counter.shape, dtype: 'f32' } }),
  flops: () => 1,
  inPlace: { next: ['counter'] },
  keep: true,
  updatesState: true,
};

export interface DropoutAttrs {
  /** Probability of a zero, in [0, 1). */
  readonly rate: number;
  /** Different for every mask of a network; u32. */
  readonly seed: number;
  readonly shape: Shape;
}

/**
 * Factors `1/(1 − rate)`, or 0 with probability `rate`: with the permutation `p` of PCG-RXS-M-XS-32 (O'Neill 2014),
 * element i is 0 where `p(p(p(seed) + step) + i) < dropThreshold(rate)`. Integers only, so the same everywhere.
 */
export const dropoutMask: OpDef<{ step: Value }, { mask: Value }, DropoutAttrs> = {
  infer: (_, { shape }) => ({ mask: { shape, dtype: 'f32' } }),
  flops: ({ outputs: { mask } }) => 10 * sizeOf(mask.shape),
  keep: true,
};

/** `rate` of the 2³² values of a u32. */
export const dropThreshold = (rate: number): number => Math.floor(rate * 2 ** 32);

/** The permutation `p` of u32: a step of a linear congruential generator, then its output function. */
export function permute(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}
