/** `a·b + c`; one rounding in the relaxed build, two in the plain one. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** `v > 0 ? v : slope·v`, as `max(v, 0) + slope·min(v, 0)`: three instructions where a select takes five. */
// @ts-ignore: decorator
@inline
export function prelu4(v: v128, slope: v128): v128 {
  const zero = f32x4.splat(0);
  return madd(slope, f32x4.pmin(v, zero), f32x4.pmax(v, zero));
}

// @ts-ignore: decorator
@inline
export function prelu1(v: f32, slope: f32): f32 {
  return v > 0 ? v : slope * v;
}

/** The upper two lanes, as the lower ones. */
// @ts-ignore: decorator
@inline
export function upper(v: v128): v128 {
  return i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
}

// @ts-ignore: decorator
@inline
export function largestLane(v: v128): f32 {
  v = f32x4.pmax(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = f32x4.pmax(v, i8x16.shuffle(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  return f32x4.extract_lane(v, 0);
}

/**
 * Type arguments that stand for a condition: each gives a function of its own, without branches inside loops, where V8
 * could not merge vectors. (Arguments of inlined functions do not: Binaryen folds their copies into one with branches.)
 */
export type Yes = u64;
export type No = u32;

// @ts-ignore: decorator
@inline
export function is<T>(): bool {
  return sizeof<T>() == 8;
}

/**
 * Stores two vectors side by side, the upper one first: V8 merges the two stores, and where the lower one came first it would keep it
 * beside the merged one, for the case that memory ends between them.
 */
// @ts-ignore: decorator
@inline
export function storeBoth(to: usize, low: v128, high: v128): void {
  v128.store(to, high, 16);
  v128.store(to, low);
}
