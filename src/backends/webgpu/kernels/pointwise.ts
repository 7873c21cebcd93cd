import type { Expression } from '../../../ops/pointwise/expression.js';
import { translate } from '../../../ops/pointwise/expression.js';
import type { PointwiseName } from '../../../ops/pointwise/table.js';
import { pointwise, pointwiseNames } from '../../../ops/pointwise/table.js';
import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

type Forward = { readonly [K in PointwiseName]: GpuKernel<K> };
type Backward = { readonly [K in `${PointwiseName}Grad`]: GpuKernel<K> };

/** An expression on four channels, where `x`, `y` and `g` are names of vectors. */
const textOf = (expression: Expression): string =>
  translate<string>(expression, {
    ...{ x: 'x', y: 'y', g: 'g' },
    number: (value) => `vec4f(${f32(value)})`,
    add: (a, b) => `(${a} + ${b})`,
    multiply: (a, b) => `(${a} * ${b})`,
    max: (a, b) => `max(${a}, ${b})`,
    min: (a, b) => `min(${a}, ${b})`,
    sigmoid: (a) => `logistic(${a})`,
    where: (condition, a, b) => `select(${b}, ${a}, ${condition} > vec4f(0f))`,
  });

/** `e⁻ᵃ` is taken of |a| only, so that it cannot overflow. */
const logistic = `fn logistic(a: vec4f) -> vec4f {
  let e = exp(-abs(a));
  return select(e, vec4f(1f), a >= vec4f(0f)) / (1f + e);
}`;

const forward = (name: PointwiseName): GpuKernel<PointwiseName> => ({
  lower: ({ inputs, outputs }) => [
    perQuad(
      inputs.x.shape,
      { ...inputs, ...outputs },
      `let x = x_q(p, c); y_sq(p, c, ${textOf(pointwise[name].value)});`,
      logistic,
    ),
  ],
});

const backward = (name: PointwiseName): GpuKernel<`${PointwiseName}Grad`> => ({
  lower: ({ inputs, outputs }) => {
    const from = inputs.x ? 'x' : 'y';
    return [
      perQuad(
        inputs.gy.shape,
        { ...inputs, ...outputs },
        `let ${from} = ${from}_q(p, c); let g = gy_q(p, c); gx_sq(p, c, ${textOf(pointwise[name].gradient)});`,
        logistic,
      ),
    ];
  },
});

/** Both kernels of every line of the table. */
export const pointwiseKernels = Object.fromEntries(
  pointwiseNames.flatMap((name) => [
    [name, forward(name)],
    [`${name}Grad`, backward(name)],
  ]),
) as unknown as Forward & Backward;
