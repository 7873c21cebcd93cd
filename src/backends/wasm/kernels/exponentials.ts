import { exp4 } from './explog';
import { madd, storeBoth } from './lanes';

/** What the loss of eight neighbouring pixels needs besides their exponentials; lanes are pixels. */
@unmanaged
export class EightPixels {
  weights0: v128;
  weights1: v128;
  labelLogits0: v128;
  labelLogits1: v128;
  /** Exponentials are of logits minus these, and their sums. */
  offsets0: v128;
  offsets1: v128;
  sums0: v128;
  sums1: v128;
  /** Eight float64: lanes of `Σ w·ce`, then of `Σ w`. */
  lossSum: v128;
  lossSumHigh: v128;
  weightSum: v128;
  weightSumHigh: v128;
  /** What every class's gradient, left and right, gets of the targets' smooth part. */
  spreadLeft: v128;
  spreadRight: v128;
}

/** Sums of the lanes of four vectors, as one vector. */
// @ts-ignore: decorator
@inline
export function laneSums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23),
    i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31),
  );
  const cd = f32x4.add(
    i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23),
    i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31),
  );
  return f32x4.add(
    i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
}

/** Exponentials of eight pixels, each minus its largest logit: `e` gets two vectors per class, lanes are pixels. */
export function exponentials(
  classes: usize,
  left: usize,
  right: usize,
  fractions: usize,
  local: EightPixels,
  e: usize,
): void {
  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  const end = e + (classes << 5);
  let max0 = f32x4.splat(-Infinity);
  let max1 = max0;
  for (let at = e; at < end; at += 32) {
    const from = v128.load32_splat(left);
    const slope = f32x4.sub(v128.load32_splat(right), from);
    const z0 = madd(t0, slope, from);
    const z1 = madd(t1, slope, from);
    storeBoth(at, z0, z1);
    max0 = f32x4.pmax(max0, z0);
    max1 = f32x4.pmax(max1, z1);
    left += 4;
    right += 4;
  }
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  for (let at = e; at < end; at += 32) {
    const e0 = exp4(f32x4.sub(v128.load(at), max0));
    const e1 = exp4(f32x4.sub(v128.load(at, 16), max1));
    storeBoth(at, e0, e1);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
  }
  local.offsets0 = max0;
  local.offsets1 = max1;
  local.sums0 = sum0;
  local.sums1 = sum1;
}

/** The sum of a vector's lanes. */
// @ts-ignore: decorator
@inline
export function laneSum(v: v128): f32 {
  return f32x4.extract_lane(laneSums(v, v, v, v), 0);
}
