import type { Shape, Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectVectors } from './fit.js';
import type { Emit, OpDef } from './op.js';

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

/**
 * `y = x + bias[c]`, where no convolution before it can add it. `one`: `1×1×1×C` ones; lowered to
 * `affine` of that scale: no backend has it.
 */
export const addBias: OpDef<{ x: Value; bias: Value; one: Value }, { y: Value }, object> = {
  infer({ x, bias, one }) {
    expectVectors(x.shape[3], bias, one);
    return { y: { shape: x.shape, dtype: 'f32' } };
  },
  gradient({ inputs: { x } }, { y: gy }, { emit, needsGradient }) {
    if (!gy) return {};
    return { bias: emit('sumPixels', { x: gy }, {}).sum, ...(needsGradient(x) ? { x: gy } : {}) };
  },
  flops: ({ outputs: { y } }) => sizeOf(y.shape),
  inPlace: { y: ['x'] },
  lower: ({ inputs: { x, bias, one } }, { emit }) =>
    emit('affine', { x, scale: one, shift: bias }, { sign: 1 }),
  absorb({ inputs: { x, bias } }, { scale, shift, slope, label }, { emit }) {
    if (!scale || !shift) return undefined;
    return emit(
      'affine',
      { x, scale, shift: movedBias(emit, bias, { scale, shift, label }), slope },
      { sign: 1 },
      { label },
    ).y;
  },
};

/** `scale·(x + bias) + shift = scale·x + (scale·bias + shift)`: the last term, computed once. */
export const movedBias = (
  emit: Emit,
  bias: Value,
  map: { scale: Value; shift: Value; label: string },
): Value => {
  const { scale, shift, label } = map;
  return emit('affine', { x: bias, scale, shift }, { sign: 1 }, { label: `${label}.bias`, phase: 'prepare' })
    .y;
};
