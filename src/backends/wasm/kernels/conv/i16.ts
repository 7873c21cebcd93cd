/**
 * Products of 16-bit integers, summed in 32 bits: twice the multiplications an instruction of float32. As `gemm.ts`,
 * but a plane holds 8 channels of a pixel, and blocks are 8 outputs wide (8 + 2 + 4 registers and one for a product).
 *
 * Both sides are scaled to integers: a sum of `inputs` products must stay below 2³¹, so the ranges X of the inputs and W
 * of the weights have `inputs · X · W < 2³¹`. The inputs get the larger share: their scale comes from a bound, the
 * weights' from their own largest.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { madd, storeBoth } from '../lanes';

/** Bytes from plane to plane, of inputs (8 channels of 16 bits) as of sums (4 of 32 bits), and between coefficients. */
export const i16PlaneBytes: usize = 4992;
export const i16CoefficientBytes: usize = 832;

const most: f32 = 2.1e9;

/** W: weights of `inputs` channels are rounded to −W … W. */
export function weightRange(inputs: i32): f32 {
  return floor<f32>(sqrt<f32>(most / (2.5 * (inputs as f32))));
}

/** X: inputs are rounded to −X … X. */
export function inputRange(inputs: i32): f32 {
  return min<f32>(32000, floor<f32>(most / ((inputs as f32) * weightRange(inputs))));
}

/** `a·b` rounded to integers, in the low 16 bits of each lane: beyond 2²³ a float32 has no other digits. */
// @ts-ignore: decorator
@inline
export function rounded(a: v128, b: v128): v128 {
  return madd(a, b, f32x4.splat(12582912));
}

/** Two rounded vectors as pairs of 16-bit integers: `low` in the low halves of the lanes, `high` in the others. */
// @ts-ignore: decorator
@inline
export function paired(low: v128, high: v128): v128 {
  return i8x16.shuffle(low, i32x4.shl(high, 16), 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31);
}

/** A product of pairs of integers, added to a sum. */
// @ts-ignore: decorator
@inline
function dot(x: v128, w: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** 4 pixels and 8 outputs: a turn takes the inputs `j` and `j + 4` of 8. */
function dot4x8(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  let a0 = i32x4.splat(0);
  let a1 = i32x4.splat(0);
  let a2 = i32x4.splat(0);
  let a3 = i32x4.splat(0);
  let b0 = i32x4.splat(0);
  let b1 = i32x4.splat(0);
  let b2 = i32x4.splat(0);
  let b3 = i32x4.splat(0);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 128;
    while (w < next) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const x0 = v128.load32_splat(x);
      a0 = dot(x0, w0, a0);
      b0 = dot(x0, w1, b0);
      const x1 = v128.load32_splat(x, 16);
      a1 = dot(x1, w0, a1);
      b1 = dot(x1, w1, b1);
      const x2 = v128.load32_splat(x, 32);
      a2 = dot(x2, w0, a2);
      b2 = dot(x2, w1, b2);
      const x3 = v128.load32_splat(x, 48);
      a3 = dot(x3, w0, a3);
      b3 = dot(x3, w1, b3);
      x += 4;
      w += 32;
    }
    table += 4;
  }
  storeBoth(out, a0, a1);
  storeBoth(out + 32, a2, a3);
  storeBoth(out + i16PlaneBytes, b0, b1);
  storeBoth(out + i16PlaneBytes + 32, b2, b3);
}

/** 6 pixels and 4 outputs. */
function dot6x4(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  let a0 = i32x4.splat(0);
  let a1 = i32x4.splat(0);
  let a2 = i32x4.splat(0);
  let a3 = i32x4.splat(0);
  let a4 = i32x4.splat(0);
  let a5 = i32x4.splat(0);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 64;
    while (w < next) {
      const w0 = v128.load(w);
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x, 16);
      const x2 = v128.load32_splat(x, 32);
      const x3 = v128.load32_splat(x, 48);
      const x4 = v128.load32_splat(x, 64);
      const x5 = v128.load32_splat(x, 80);
      a0 = dot(x0, w0, a0);
      a1 = dot(x1, w0, a1);
      a2 = dot(x2, w0, a2);
      a3 = dot(x3, w0, a3);
      a4 = dot(x4, w0, a4);
      a5 = dot(x5, w0, a5);
      x += 4;
      w += 16;
    }
    table += 4;
  }
  storeBoth(out, a0, a1);
  storeBoth(out + 32, a2, a3);
  storeBoth(out + 64, a4, a5);
}

/** As `multiplyPlanes`, for planes of 8 channels and weights of `convPackWinograd1dI16`; `out`: 32-bit integers. */
export function multiplyI16Planes(
  table: usize,
  count: i32,
  a: usize,
  w: usize,
  quads: i32,
  pixels: i32,
  out: usize,
): void {
  const end = (pixels as usize) << 4;
  for (; quads >= 2; quads -= 2) {
    for (let p: usize = 0; p < end; p += 64) dot4x8(table, count, a + p, w, out + p);
    w += (count as usize) << 7;
    out += 2 * i16PlaneBytes;
  }
  if (quads) {
    for (let p: usize = 0; p < end; p += 96) dot6x4(table, count, a + p, w, out + p);
  }
}
