import type { DType, Shape, Value } from '../ir/value.js';

/** Shape and element type of a value that an op produces. */
export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What a gradient rule may emit nodes with; `graph/differentiate.ts` implements it. */
export interface GradientContext {
  /** Emits a node of another op and returns its outputs. */
  emit: Emit;
  /** False for values no parameter depends on (the image): their gradient is not computed. */
  needsGradient(value: Value): boolean;
}

/** Appends a node and returns its outputs. Typed by `ops/index.ts`. */
export type Emit = import('./index.js').EmitOp;

/**
 * One operation, as the compiler sees it. Backends implement the same name in a file of the same name.
 * I, O: records of named input and output values (optional inputs are optional properties); A: attributes.
 */
export interface OpDef<I extends object, O extends object, A extends object> {
  /** Shapes of the outputs; throws `UserError` where the inputs do not fit. */
  infer(inputs: I, attrs: A): { readonly [K in keyof O]: ValueType };
  /**
   * Emits the nodes that compute the gradient of each input from the gradients of the outputs.
   * Ops without a rule are not differentiable; reaching one in `differentiate` is a bug.
   */
  gradient?(
    node: { inputs: I; outputs: O; attrs: A },
    grads: { readonly [K in keyof O]?: Value },
    context: GradientContext,
  ): { readonly [K in keyof I]?: Value };
  /** Floating-point operations, a multiply-add counted as two. */
  flops(node: { inputs: I; outputs: O; attrs: A }): number;
  /** Pairs `[output, input]`: the output may be written over that input if nothing reads the input later. Tried in order. */
  readonly inPlace?: readonly (readonly [keyof O & string, keyof I & string])[];
  /** True where the in-place pairs are the meaning of the op: new state over old state. */
  readonly updatesState?: boolean;
  /**
   * Operands that are feature maps, inputs and outputs: these may be stored as float16 (see `graph/half.ts`). Kernels
   * read and write them in whole groups of four channels.
   */
  readonly features?: readonly ((keyof I & string) | (keyof O & string))[] | 'all';
  /** True for small results that the backward pass keeps instead of recomputing (batch statistics). */
  readonly keep?: boolean;
}
