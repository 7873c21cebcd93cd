import { evaluate } from '../../ops/pointwise/expression.js';
import type { PointwiseName } from '../../ops/pointwise/table.js';
import { pointwise, pointwiseNames } from '../../ops/pointwise/table.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

type Forward = { readonly [K in PointwiseName]: ReferenceKernel<K> };
type Backward = { readonly [K in `${PointwiseName}Grad`]: ReferenceKernel<K> };

const forward =
  (name: PointwiseName): ReferenceKernel<PointwiseName> =>
  ({ inputs, outputs }, arena) => {
    const values = new View(arena, inputs.x).dense();
    new View(arena, outputs.y).assign(values.map((x) => evaluate(pointwise[name].value, { x })));
  };

const backward =
  (name: PointwiseName): ReferenceKernel<`${PointwiseName}Grad`> =>
  ({ inputs, outputs }, arena) => {
    const x = inputs.x && new View(arena, inputs.x).dense();
    const y = inputs.y && new View(arena, inputs.y).dense();
    const gy = new View(arena, inputs.gy).dense();
    const { gradient } = pointwise[name];
    new View(arena, outputs.gx).assign(gy.map((g, i) => evaluate(gradient, { x: x?.[i], y: y?.[i], g })));
  };

/** Both kernels of every line of the table. */
export const pointwiseKernels = Object.fromEntries(
  pointwiseNames.flatMap((name) => [
    [name, forward(name)],
    [`${name}Grad`, backward(name)],
  ]),
) as unknown as Forward & Backward;
