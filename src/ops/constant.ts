import type { Shape, Value } from '../ir/value.js';
import type { OpDef } from './op.js';

/** Every element is `value`. */
export const fill: OpDef<
  Readonly<Record<never, Value>>,
  { y: Value },
  { readonly shape: Shape; readonly value: number }
> = {
  infer: (_, { shape }) => ({ y: { shape, dtype: 'f32' } }),
  flops: () => 0,
  keep: true,
};
