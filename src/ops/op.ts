import type { DType, Shape, Value } from '../ir/value.js';
import type { ResizeAttrs } from './resize.js';
import type { InputRange } from './taps.js';

/** Shape and element type of a value that an op produces. */
export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Appends a node and returns its outputs. Typed by `ops/index.ts`. */
export type Emit = import('./index.js').EmitOp;

/** What a gradient rule may emit nodes with; `graph/differentiate.ts` implements it. */
export interface GradientContext {
  /** Emits a node of another op and returns its outputs. */
  emit: Emit;
  /** False for values no parameter depends on (the image): their gradient is not computed. */
  needsGradient(value: Value): boolean;
}

/** What a rewriting rule may ask and make; `graph/fuse` implements it. */
export interface RewriteContext {
  /**
   * Emits a node where the rewritten one stands, with its label and phase unless others are given. An op whose result
   * is kept (`keep`) is emitted once for the same inputs.
   */
  emit: Emit;
  /** True if nothing but the node under rewriting reads the value. */
  onlyReadHere(value: Value): boolean;
}

/**
 * `x̂ = prelu(scale·x + shift)` per channel, each part optional (`scale` and `shift` come together). Vectors are
 * `[1, 1, 1, C]`. Many kernels apply one to what they read (a prologue) or write (an epilogue), so that it costs no memory.
 */
export interface ChannelMap {
  readonly x: Value;
  readonly scale?: Value;
  readonly shift?: Value;
  readonly slope?: Value;
  /** Of the node that is the map. */
  readonly label: string;
}

/** Of RGB bytes: `(x/255 − mean[c])/std[c]`. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Inputs of an op that applies a channel map to its input `x` while it reads it. */
export interface Prologue {
  readonly preScale?: Value;
  readonly preShift?: Value;
  readonly preSlope?: Value;
}

/** Where a rule emits nodes, and what they are called. */
export interface Place {
  readonly emit: Emit;
  readonly label: string;
}

/** What a node makes of its input `x`, and the same of another. */
export interface Applied {
  readonly x: Value;
  of(other: Value, place: Place): Value;
}

/** A node whose output is the sum of what it makes of each channel of `x`, by parts of the channels. */
export interface SumOfChannels {
  readonly x: Value;
  /** Products that a pixel of a channel is in. */
  readonly taps: number;
  /** What it makes of some channels, those of `x`, plus `sum`, and all that it does to the whole. */
  whole(x: Value, channels: readonly InputRange[], sum: Value, place: Place): Value;
  /** What it makes of the channels from `from` on where they are those of `x` upsampled, plus `sum`. */
  ofUpsampled(x: Value, from: number, upsampling: ResizeAttrs, sum: Value | undefined, place: Place): Value;
}

/** A node as the rules of its op see it. */
export interface OpNodeView<I extends object, O extends object, A extends object> {
  readonly inputs: I;
  readonly outputs: O;
  readonly attrs: A;
  readonly label: string;
}

/**
 * One operation, as the compiler sees it: its shape and gradient rules, and all that passes need to know. Backends
 * implement the same name in a file of the same name.
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

  /** Of a loss, the output that is its own gradient: where differentiation starts, and what loss scaling multiplies. */
  readonly loss?: keyof O & string;
  /** True for small results that the backward pass keeps instead of recomputing (batch statistics). */
  readonly keep?: boolean;
  /** Inputs that an output may be written over, the best first: where nothing reads the input later. */
  readonly inPlace?: { readonly [K in keyof O & string]?: readonly (keyof I & string)[] };
  /** True where writing in place is the meaning of the op: new state over old state. */
  readonly updatesState?: boolean;
  /**
   * `join`: the output is the channels of all inputs side by side; `cut`: the outputs are the channels of the input in
   * order. The planner places the values so that nothing has to be done.
   */
  readonly view?: 'join' | 'cut';
  /**
   * Operands that are feature maps, inputs and outputs: these may be stored as float16 (see `graph/half.ts`). Kernels
   * read and write them in whole groups of four channels.
   */
  readonly features?: readonly ((keyof I & string) | (keyof O & string))[] | 'all';
  /** True for ops that may multiply 16-bit integers (attribute `products`, see `graph/short.ts`). */
  readonly shortProducts?: boolean;

  /** The same in ops that backends have, for an op that they do not: values for all outputs. */
  lower?(node: OpNodeView<I, O, A>, context: RewriteContext): O;
  /** The node as a channel map of its input, where it is one and nothing else; its output is `y`. */
  map?(node: OpNodeView<I, O, A>): ChannelMap | undefined;
  /** `map` of what the node computes, in one node that takes its place; `undefined` where it cannot. */
  absorb?(node: OpNodeView<I, O, A>, map: ChannelMap, context: RewriteContext): Value | undefined;
  /**
   * The node as a map of every pixel by itself, linear but for a constant, to no more channels than before, where it is one; its
   * output is `y`.
   */
  pointwise?(node: OpNodeView<I, O, A>): Applied | undefined;
  /** The node as means of pixels, of the same ones in all channels, that are more than the pixels of its input; its output is `y`. */
  upsampling?(node: OpNodeView<I, O, A>): (Applied & { readonly attrs: ResizeAttrs }) | undefined;
  /** The node as a sum over channels, where that is all it is but for what comes after; its output is `y`. */
  sumOfChannels?(node: OpNodeView<I, O, A>): SumOfChannels | undefined;
  /** The input that the op reads through a prologue (`Prologue`). */
  readonly prologue?: 'x';
  /** The node as bytes of an image that become numbers, where that is all it is; its output is `y`. */
  image?(node: OpNodeView<I, O, A>): { readonly x: Value; readonly normalize: Normalization };
  /** The input that may as well be bytes of an image, which the attribute `normalize` makes numbers of. */
  readonly bytes?: 'x';
  /** The node as `a + sign·b`, where that is all it is; its output is `y`. */
  sum?(node: OpNodeView<I, O, A>): { readonly a: Value; readonly b: Value; readonly sign: 1 | -1 };
  /** `other + sign·(what the node computes)`, in one node that takes its place; `undefined` where it cannot. */
  accumulate?(
    node: OpNodeView<I, O, A>,
    other: Value,
    sign: 1 | -1,
    context: RewriteContext,
  ): Value | undefined;
}
