import type { Value } from '../../ir/value.js';
import { sizeOf } from '../../ir/value.js';
import type { OpDef } from '../op.js';
import { readsResult, workOf } from './expression.js';
import type { PointwiseName } from './table.js';
import { pointwise, pointwiseNames } from './table.js';

type Forward = OpDef<{ x: Value }, { y: Value }, object>;
/** What is sent back, from `x` or from the result `y`, whichever the gradient is said with. */
type Backward = OpDef<{ x?: Value; y?: Value; gy: Value }, { gx: Value }, object>;

const forward = (name: PointwiseName): Forward => ({
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: 'f32' } }),
  gradient({ inputs: { x }, outputs: { y } }, { y: gy }, { emit }) {
    if (!gy) return {};
    const from = readsResult(pointwise[name].gradient) ? { y } : { x };
    return { x: emit(`${name}Grad`, { ...from, gy }, {}).gx };
  },
  features: ['x', 'y'],
  flops: ({ outputs: { y } }) => workOf(pointwise[name].value) * sizeOf(y.shape),
  inPlace: { y: ['x'] },
});

const backward = (name: PointwiseName): Backward => ({
  infer: ({ gy }) => ({ gx: { shape: gy.shape, dtype: 'f32' } }),
  features: ['x', 'y', 'gy', 'gx'],
  flops: ({ outputs: { gx } }) => workOf(pointwise[name].gradient) * sizeOf(gx.shape),
  inPlace: { gx: ['gy', readsResult(pointwise[name].gradient) ? 'y' : 'x'] },
});

export type PointwiseOps = Readonly<
  Record<PointwiseName, Forward> & Record<`${PointwiseName}Grad`, Backward>
>;

/** Both ops of every line of the table. */
export const pointwiseOps = Object.fromEntries(
  pointwiseNames.flatMap((name) => [
    [name, forward(name)],
    [`${name}Grad`, backward(name)],
  ]),
) as unknown as PointwiseOps;
