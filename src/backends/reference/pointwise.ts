import type { TensorRef } from '../../graph/planned.js';
import { evaluate } from '../../ops/pointwise/expression.js';
import type { KernelFunction, Parametric, ParametricName, PointwiseName } from '../../ops/pointwise/table.js';
import {
  kernelFunctions,
  parametric,
  parametricNames,
  pointwise,
  pointwiseNames,
} from '../../ops/pointwise/table.js';
import type { Arena, ReferenceKernel } from './arena.js';
import { View } from './arena.js';

type Kernels = { readonly [K in KernelFunction | `${PointwiseName}Grad`]: ReferenceKernel<K> };

const forward =
  (name: KernelFunction): ReferenceKernel<KernelFunction> =>
  ({ inputs, outputs }, arena) => {
    const values = new View(arena, inputs.x).dense();
    new View(arena, outputs.y).assign(values.map((x) => evaluate(pointwise[name].value, () => x)));
  };

const backward =
  (name: PointwiseName): ReferenceKernel<`${PointwiseName}Grad`> =>
  ({ inputs, outputs }, arena) => {
    const from = new View(arena, (inputs.x ?? inputs.y)!).dense();
    const gy = new View(arena, inputs.gy).dense();
    const { gradient } = pointwise[name];
    new View(arena, outputs.gx).assign(
      gy.map((g, i) => evaluate(gradient, (operand) => (operand === 'g' ? g : from[i]))),
    );
  };

/** Both kernels of every line of the table. */
export const pointwiseKernels = Object.fromEntries<unknown>([
  ...kernelFunctions.map((name) => [name, forward(name)] as const),
  ...pointwiseNames.map((name) => [`${name}Grad`, backward(name)] as const),
]) as unknown as Kernels;

/** What one of a function's operands is at element `i` of a feature map. */
function operandOf(
  { maps, gate, numbers = [] }: Parametric,
  name: string,
  call: {
    readonly inputs: Readonly<Record<string, TensorRef>>;
    readonly attrs: Readonly<Record<string, number>>;
  },
  arena: Arena,
): (i: number) => number {
  if (numbers.includes(name)) return () => call.attrs[name];
  const whole = new View(arena, call.inputs[maps[0]]);
  const own = new View(arena, call.inputs[name]);
  const values = own.dense();
  if (maps.includes(name) || (name === gate && own.pixels === whole.pixels)) return (i) => values[i];
  if (name !== gate) return (i) => values[i % whole.c];
  const perImage = whole.h * whole.w * whole.c;
  return (i) => values[Math.floor(i / perImage) * whole.c + (i % whole.c)];
}

const withParameters =
  (name: ParametricName): ReferenceKernel<ParametricName> =>
  (call, arena) => {
    const { inputs, outputs, attrs } = call;
    const entry: Parametric = parametric[name];
    const refs = inputs as unknown as Readonly<Record<string, TensorRef>>;
    const value = entry.value((input) => refs[input] !== undefined);
    const operands = new Map<string, (i: number) => number>();
    const operand = (key: string) => {
      const known = operands.get(key) ?? operandOf(entry, key, { inputs: refs, attrs: { ...attrs } }, arena);
      operands.set(key, known);
      return known;
    };
    const y = new View(arena, outputs.y);
    y.assign(
      Float64Array.from({ length: y.pixels * y.c }, (_, i) => evaluate(value, (key) => operand(key)(i))),
    );
  };

/** The kernel of every function with parameters. */
export const parametricKernels = Object.fromEntries(
  parametricNames.map((name) => [name, withParameters(name)]),
) as unknown as { readonly [K in ParametricName]: ReferenceKernel<K> };
