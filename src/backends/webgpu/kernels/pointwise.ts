import type { TensorRef } from '../../../graph/planned.js';
import type { Expression } from '../../../ops/pointwise/expression.js';
import { program } from '../../../ops/pointwise/expression.js';
import type {
  KernelFunction,
  Parametric,
  ParametricName,
  PointwiseName,
} from '../../../ops/pointwise/table.js';
import {
  kernelFunctions,
  parametric,
  parametricNames,
  pointwise,
  pointwiseNames,
} from '../../../ops/pointwise/table.js';
import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, pixelsOf, preluText } from './kernel.js';

type Kernels = { readonly [K in KernelFunction | `${PointwiseName}Grad`]: GpuKernel<K> };

/** An expression on four channels, stored to `to`. @param operand the text of an operand. */
function storing(expression: Expression, operand: (name: string) => string, to: string): string {
  const { lines, result } = program(
    expression,
    {
      operand,
      number: (value) => `vec4f(${f32(value)})`,
      add: (a, b) => `${a} + ${b}`,
      multiply: (a, b) => `${a} * ${b}`,
      multiplyAdd: (a, b, c) => `${a} * ${b} + ${c}`,
      max: (a, b) => `max(${a}, ${b})`,
      min: (a, b) => `min(${a}, ${b})`,
      prelu: preluText,
      sigmoid: (a) => `logistic(${a})`,
      where: (condition, a, b) => `select(${b}, ${a}, ${condition} > vec4f(0f))`,
    },
    (name, text) => `let ${name} = ${text};`,
  );
  return [...lines, `${to}_sq(p, c, ${result});`].join('\n  ');
}

/** `e⁻ᵃ` is taken of |a| only, so that it cannot overflow. */
const logistic = `fn logistic(a: vec4f) -> vec4f {
  let e = exp(-abs(a));
  return select(e, vec4f(1f), a >= vec4f(0f)) / (1f + e);
}`;

const forward = (name: KernelFunction): GpuKernel<KernelFunction> => ({
  lower: ({ inputs, outputs }) => {
    const text = `let x = x_q(p, c);\n  ${storing(pointwise[name].value, (operand) => operand, 'y')}`;
    return [perQuad(inputs.x.shape, { ...inputs, ...outputs }, text, logistic)];
  },
});

const backward = (name: PointwiseName): GpuKernel<`${PointwiseName}Grad`> => ({
  lower: ({ inputs, outputs }) => {
    const from = inputs.x ? 'x' : 'y';
    const text = `let ${from} = ${from}_q(p, c);
  let g = gy_q(p, c);
  ${storing(pointwise[name].gradient, (operand) => operand, 'gx')}`;
    return [perQuad(inputs.gy.shape, { ...inputs, ...outputs }, text, logistic)];
  },
});

/** Both kernels of every line of the table. */
export const pointwiseKernels = Object.fromEntries<unknown>([
  ...kernelFunctions.map((name) => [name, forward(name)] as const),
  ...pointwiseNames.map((name) => [`${name}Grad`, backward(name)] as const),
]) as unknown as Kernels;

const withParameters = (name: ParametricName): GpuKernel<ParametricName> => ({
  lower: ({ inputs, outputs, attrs }) => {
    const { maps, gate, vectors = [], numbers = [], value }: Parametric = parametric[name];
    const refs = inputs as unknown as Readonly<Record<string, TensorRef>>;
    const [, h, w] = outputs.y.shape;
    const isWhole = gate !== undefined && pixelsOf(refs[gate].shape) === pixelsOf(outputs.y.shape);
    const given: Readonly<Record<string, number>> = { ...attrs };
    const places = {
      ...Object.fromEntries(maps.map((map) => [map, `${map}_q(p, c)`])),
      ...Object.fromEntries(vectors.map((vector) => [vector, `${vector}_q(0u, c)`])),
      ...Object.fromEntries(numbers.map((number) => [number, f32(given[number])])),
      ...(gate ? { [gate]: `${gate}_q(${isWhole ? 'p' : `p / ${h * w}u`}, c)` } : {}),
    };
    const statements = storing(
      value((input) => refs[input] !== undefined),
      (operand) => (numbers.includes(operand) ? `vec4f(${places[operand]})` : `v_${operand}`),
      'y',
    );
    const loads = [...maps, ...vectors, ...(gate ? [gate] : [])].filter((input) => refs[input]);
    const text = [...loads.map((input) => `let v_${input} = ${places[input]};`), statements].join('\n  ');
    return [perQuad(outputs.y.shape, { ...inputs, ...outputs }, text)];
  },
});

/** The kernel of every function with parameters. */
export const parametricKernels = Object.fromEntries(
  parametricNames.map((name) => [name, withParameters(name)]),
) as unknown as { readonly [K in ParametricName]: GpuKernel<K> };
