/** `[N, H, W, C]`. Vectors of channels are `[1, 1, 1, C]`, convolution weights `[kh, kw, Cin / groups, Cout]`. */
export type Shape = readonly [n: number, h: number, w: number, c: number];

/** What a value is stored as. Whatever it is, kernels compute in float32. */
export type DType = 'f32' | 'f16' | 'u8';

/**
 * What a value is to the outside.
 * - `input`: written by the caller before a run (images, labels, hyper-parameters).
 * - `param`: trained; lives in one flat region, in order of creation.
 * - `state`: kept between runs but not trained (running statistics); in one flat region too.
 * - `moment`: what an optimiser remembers between updates.
 * - `average`: the moving average of weights.
 * - `constant`: computed by the `prepare` phase from params and state, kept until they change.
 * - `activation`: everything a run computes; shares the arena by liveness.
 */
export type Role = 'input' | 'param' | 'state' | 'moment' | 'average' | 'constant' | 'activation';

/** One tensor of the graph. Immutable: every value is written by exactly one node (or by the caller). */
export interface Value {
  readonly id: number;
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly role: Role;
}

/** Initial content of a param or state: one value, or draws from a normal distribution around zero. */
export type Initial =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly deviation: number };

/** Elements of a shape. */
export const sizeOf = (shape: Shape): number => shape[0] * shape[1] * shape[2] * shape[3];
/** Bytes of one element. */
export const elementBytes: Readonly<Record<DType, number>> = { f32: 4, f16: 2, u8: 1 };
/** Bytes of a value stored densely. */
export const bytesOf = (value: { shape: Shape; dtype: DType }): number =>
  sizeOf(value.shape) * elementBytes[value.dtype];
/** `4×512×1024×8`, as tables and errors show it. */
export const formatShape = (shape: Shape): string => shape.join('×');
