import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import type { ActivatedConvAttrs } from '../../src/ops/conv.js';
import type { AttrsOf, InputsOf, KernelName } from '../../src/ops/index.js';
import type { Tensor, Tensors } from './harness.js';

/** One call of a kernel: what `runOp` and `assertParity` take. */
export interface Case<K extends KernelName> {
  readonly inputs: Tensors<InputsOf<K>>;
  readonly attrs: AttrsOf<K>;
}

export const vector = (channels: number): Shape => [1, 1, 1, channels];
export const between = (rng: Rng, low: number, high: number): number => low + rng.int(high - low + 1);
export const maybe = (rng: Rng, make: () => Tensor): Tensor | undefined =>
  rng.chance(0.5) ? make() : undefined;
export const image = (rng: Rng, channels = between(rng, 1, 9)): Shape => [
  between(rng, 1, 2),
  between(rng, 3, 9),
  between(rng, 3, 9),
  channels,
];

/** Of a convolution: perhaps that its PReLU takes the sum with the residual. */
export const activation = (rng: Rng): Pick<ActivatedConvAttrs, 'activates'> =>
  rng.chance(0.5) ? { activates: 'sum' } : {};
