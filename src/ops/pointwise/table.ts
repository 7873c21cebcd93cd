import type { Expression } from './expression.js';
import {
  add,
  derivative,
  g,
  max,
  min,
  multiply,
  multiplyAdd,
  operand,
  prelu,
  sigmoid,
  where,
  x,
  y,
} from './expression.js';

/** A function of every element x, and what it sends back of g: by x, or by its result y where that will do. */
export interface Pointwise {
  readonly value: Expression;
  readonly gradient: Expression;
  /** Its op has a rule `lower`: no backend has it. */
  readonly lowered?: true;
}

/** With the gradient that the rules of calculus give. */
const ofInput = (value: Expression): Pointwise => ({ value, gradient: multiply(g, derivative(value)) });

/**
 * Functions of every element, by the name of their op; the gradient of `NAME` is the op `NAMEGrad`. A line here is the
 * float64 reference, the gradient, the kernels of all backends and the export to ONNX.
 */
export const pointwise = {
  /** `y = max(x, 0)`. A PReLU of slope zero, which moves into every kernel that has one. */
  relu: { value: max(x, 0), gradient: where(y, g, 0), lowered: true },
  /** `y = 1/(1 + e⁻ˣ)`. */
  sigmoid: { value: sigmoid(x), gradient: multiply(multiply(g, y), add(1, multiply(-1, y))) },
  /** `y = x·sigmoid(x)` ("Sigmoid-Weighted Linear Units", Elfwing et al. 2018). */
  silu: ofInput(multiply(x, sigmoid(x))),
  /** `y = x·min(max(x + 3, 0), 6)/6` ("Searching for MobileNetV3", Howard et al. 2019). */
  hardswish: ofInput(multiply(multiply(x, min(max(add(x, 3), 0), 6)), 1 / 6)),
} as const satisfies Readonly<Record<string, Pointwise>>;

export type PointwiseName = keyof typeof pointwise;
export const pointwiseNames = Object.keys(pointwise) as PointwiseName[];
/** The functions that backends have kernels of; of gradients they have all. */
export type KernelFunction = Exclude<PointwiseName, 'relu'>;
export const kernelFunctions = pointwiseNames.filter(
  (name): name is KernelFunction => !('lowered' in pointwise[name]),
);

/** A function of elements and parameters, whose gradient is more than an expression: its op says it. */
export interface Parametric {
  /** Feature maps, by the names of the op's inputs, of which each element has its own. */
  readonly maps: readonly string[];
  /** A feature map, or one number per image and channel. */
  readonly gate?: string;
  /** One number per channel. */
  readonly vectors?: readonly string[];
  /** Attributes. */
  readonly numbers?: readonly string[];
  /** Those of the maps and vectors that may be absent. */
  readonly optional?: readonly string[];
  value(has: (name: string) => boolean): Expression;
}

const slope = operand('slope');

/** By the name of their op: the float64 reference, the kernels of all backends, and the export of gates to ONNX. */
export const parametric = {
  /** `y = x > 0 ? x : slope[c]·x`. */
  prelu: { maps: ['x'], vectors: ['slope'], value: () => prelu(x, slope) },
  /** `y = residual + sign·prelu(scale[c]·(x + added) + shift[c])`. */
  affine: {
    maps: ['x', 'added', 'residual'],
    vectors: ['scale', 'shift', 'slope'],
    numbers: ['sign'],
    optional: ['added', 'slope', 'residual'],
    value(has) {
      const sum = has('added') ? add(x, operand('added')) : x;
      const z = multiplyAdd(sum, operand('scale'), operand('shift'));
      const activated = has('slope') ? prelu(z, slope) : z;
      const sign = operand('sign');
      return has('residual') ? multiplyAdd(sign, activated, operand('residual')) : multiply(sign, activated);
    },
  },
  /** `y = a·b`, where `b` has the shape of `a` or one factor per image and channel. */
  multiply: { maps: ['a'], gate: 'b', value: () => multiply(operand('a'), operand('b')) },
  /** `y = a + sign·b`. */
  add: {
    ...{ maps: ['a', 'b'], numbers: ['sign'] },
    value: () => multiplyAdd(operand('sign'), operand('b'), operand('a')),
  },
  /** `y = factor·x`. */
  scale: { maps: ['x'], numbers: ['factor'], value: () => multiply(operand('factor'), x) },
} as const satisfies Readonly<Record<string, Parametric>>;

export type ParametricName = keyof typeof parametric;
export const parametricNames = Object.keys(parametric) as ParametricName[];
