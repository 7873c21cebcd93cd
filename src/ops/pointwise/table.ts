import type { Expression } from './expression.js';
import { add, derivative, g, max, min, multiply, sigmoid, x, y } from './expression.js';

/** A function of every element x, and what it sends back of g: by x, or by its result y where that will do. */
export interface Pointwise {
  readonly value: Expression;
  readonly gradient: Expression;
}

/** With the gradient that the rules of calculus give. */
const ofInput = (value: Expression): Pointwise => ({ value, gradient: multiply(g, derivative(value)) });

/**
 * Functions of every element, by the name of their op; the gradient of `NAME` is the op `NAMEGrad`. A line here is the
 * float64 reference, the gradient, the kernels of all backends and the export to ONNX.
 */
export const pointwise = {
  /** `y = 1/(1 + e⁻ˣ)`. */
  sigmoid: { value: sigmoid(x), gradient: multiply(multiply(g, y), add(1, multiply(-1, y))) },
  /** `y = x·sigmoid(x)` ("Sigmoid-Weighted Linear Units", Elfwing et al. 2018). */
  silu: ofInput(multiply(x, sigmoid(x))),
  /** `y = x·min(max(x + 3, 0), 6)/6` ("Searching for MobileNetV3", Howard et al. 2019). */
  hardswish: ofInput(multiply(multiply(x, min(max(add(x, 3), 0), 6)), 1 / 6)),
} as const satisfies Readonly<Record<string, Pointwise>>;

export type PointwiseName = keyof typeof pointwise;
export const pointwiseNames = Object.keys(pointwise) as PointwiseName[];
