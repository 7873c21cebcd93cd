import { exp4 } from './explog';
import { largestLane, madd } from './lanes';

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
    v128.store(at, z0);
    v128.store(at, z1, 16);
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
    v128.store(at, e0);
    v128.store(at, e1, 16);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
  }
  local.offsets0 = max0;
  local.offsets1 = max1;
  local.sums0 = sum0;
  local.sums1 = sum1;
}

/** Logits may differ by this much before products of their exponentials leave the range of float32. */
const safeSpread: f32 = 80;

/**
 * The same where the eight fractions are evenly spaced: logits are linear along the pixels, so exponentials are a
 * geometric sequence, and two of them per class give all eight. False if the logits are too far apart for that.
 */
export function geometricExponentials(
  classes: usize,
  left: usize,
  right: usize,
  fraction: f32,
  step: f32,
  local: EightPixels,
  e: usize,
): bool {
  const end = classes << 2;
  let high4 = v128.load(left);
  let low4 = high4;
  for (let c: usize = 0; c < end; c += 16) {
    const l = v128.load(left + c);
    const r = v128.load(right + c);
    high4 = f32x4.pmax(high4, f32x4.pmax(l, r));
    low4 = f32x4.pmin(low4, f32x4.pmin(l, r));
  }
  const high = largestLane(high4);
  if (!(high + largestLane(f32x4.neg(low4)) < safeSpread)) return false;
  const offset = f32x4.splat(high);
  const fraction4 = f32x4.splat(fraction);
  const step4 = f32x4.splat(step);
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  for (let c: usize = 0; c < end; c += 16) {
    const l = v128.load(left + c);
    const slope = f32x4.sub(v128.load(right + c), l);
    const ratio = exp4(f32x4.mul(step4, slope));
    const p0 = exp4(madd(fraction4, slope, f32x4.sub(l, offset)));
    const p1 = f32x4.mul(p0, ratio);
    const p2 = f32x4.mul(p1, ratio);
    const p3 = f32x4.mul(p2, ratio);
    // From lanes that are classes to lanes that are pixels.
    const p01 = i8x16.shuffle(p0, p1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const p23 = i8x16.shuffle(p2, p3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const q01 = i8x16.shuffle(p0, p1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const q23 = i8x16.shuffle(p2, p3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const a0 = i8x16.shuffle(p01, p23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const b0 = i8x16.shuffle(p01, p23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const c0 = i8x16.shuffle(q01, q23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const d0 = i8x16.shuffle(q01, q23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const square = f32x4.mul(ratio, ratio);
    const fourth = f32x4.mul(square, square);
    const a1 = f32x4.mul(a0, i8x16.shuffle(fourth, fourth, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3));
    const b1 = f32x4.mul(b0, i8x16.shuffle(fourth, fourth, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));
    const c1 = f32x4.mul(c0, i8x16.shuffle(fourth, fourth, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11));
    const d1 = f32x4.mul(
      d0,
      i8x16.shuffle(fourth, fourth, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15),
    );
    const to = e + (c << 3);
    v128.store(to, a0);
    v128.store(to, a1, 16);
    sum0 = f32x4.add(sum0, a0);
    sum1 = f32x4.add(sum1, a1);
    v128.store(to, b0, 32);
    v128.store(to, b1, 48);
    v128.store(to, c0, 64);
    v128.store(to, c1, 80);
    v128.store(to, d0, 96);
    v128.store(to, d1, 112);
    if (c + 4 < end) {
      sum0 = f32x4.add(sum0, b0);
      sum1 = f32x4.add(sum1, b1);
    }
    if (c + 8 < end) {
      sum0 = f32x4.add(sum0, c0);
      sum1 = f32x4.add(sum1, c1);
    }
    if (c + 12 < end) {
      sum0 = f32x4.add(sum0, d0);
      sum1 = f32x4.add(sum1, d1);
    }
  }
  local.offsets0 = offset;
  local.offsets1 = offset;
  local.sums0 = sum0;
  local.sums1 = sum1;
  return true;
}

/** The sum of a vector's lanes. */
// @ts-ignore: decorator
@inline
export function laneSum(v: v128): f32 {
  return f32x4.extract_lane(laneSums(v, v, v, v), 0);
}
