import type { CallFor } from '../../../../graph/planned.js';
import { quadsOf } from '../kernel.js';
import type { Pair } from './pair.js';
import { chained } from './pair.js';

/** A k×1 convolution, and the 1×k convolution that alone reads it. */
export interface Cross {
  readonly down: CallFor<'conv2d'>;
  readonly along: CallFor<'conv2d'>;
  /** `[N, H, W]` of the input, of the tensor between and of the result. */
  readonly size: readonly [number, number, number];
  /** Quads of channels of the three. */
  readonly fromQuads: number;
  readonly midQuads: number;
  readonly toQuads: number;
  /** Neighbours on either side that the second convolution reads. */
  readonly reach: number;
}

/** The geometry, where both keep the size and neither has what the kernel lacks. */
export function crossOf(first: Parameters<Pair>[0], second: Parameters<Pair>[1]): Cross | undefined {
  if (first.op !== 'conv2d' || second.op !== 'conv2d' || !chained(first, second)) return undefined;
  const [x, middle, y] = [first.inputs.x, first.outputs.y, second.outputs.y];
  const isLine = ({ inputs: { weight }, attrs }: CallFor<'conv2d'>, axis: 0 | 1) =>
    attrs.groups === 1 &&
    attrs.stride.every((stride) => stride === 1) &&
    weight.shape[axis] > 1 &&
    weight.shape[axis] % 2 === 1 &&
    weight.shape[1 - axis] === 1;
  const sized = [1, 2].every((axis) => [middle, y].every(({ shape }) => shape[axis] === x.shape[axis]));
  if (!isLine(first, 0) || !isLine(second, 1) || !sized || first.inputs.residual) return undefined;
  return {
    down: first,
    along: second,
    size: [x.shape[0], x.shape[1], x.shape[2]],
    fromQuads: quadsOf(x.shape),
    midQuads: quadsOf(middle.shape),
    toQuads: quadsOf(y.shape),
    reach: (second.inputs.weight.shape[1] - 1) / 2,
  };
}
