import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectShape } from './fit.js';
import type { OpDef } from './op.js';

const sameShape = (a: Value, b: Value): boolean => a.shape.every((length, axis) => length === b.shape[axis]);

/** `y = a·b`, where `b` has the shape of `a` or is `N×1×1×C`: one factor per image and channel. */
export const multiply: OpDef<{ a: Value; b: Value }, { y: Value }, object> = {
  infer({ a, b }) {
    if (!sameShape(a, b)) expectShape('multiply', b, [a.shape[0], 1, 1, a.shape[3]]);
    return { y: { shape: a.shape, dtype: 'f32' } };
  },
  gradient({ inputs: { a, b } }, { y: gy }, { emit, needsGradient }) {
    if (!gy) return {};
    const gradientOfB = () =>
      sameShape(a, b)
        ? emit('multiply', { a: gy, b: a }, {}).y
        : emit('multiplySum', { a: gy, b: a }, {}).sum;
    return {
      ...(needsGradient(a) ? { a: emit('multiply', { a: gy, b }, {}).y } : {}),
      ...(needsGradient(b) ? { b: gradientOfB() } : {}),
    };
  },
  features: ['a', 'b', 'y'],
  flops: ({ outputs: { y } }) => sizeOf(y.shape),
  inPlace: { y: ['a'] },
};

/** `sum[n, c] = Σ a·b` over the pixels of each image: the gradient of a gate. `a`, `b`: `N×H×W×C`, `sum`: `N×1×1×C`. */
export const multiplySum: OpDef<{ a: Value; b: Value }, { sum: Value }, object> = {
  infer: ({ a }) => ({ sum: { shape: [a.shape[0], 1, 1, a.shape[3]], dtype: 'f32' } }),
  features: ['a', 'b'],
  flops: ({ inputs: { a } }) => 2 * sizeOf(a.shape),
};
