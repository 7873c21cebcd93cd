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

import { madd } from '../lanes';
import { planeBytes, product4x8, product6x4 } from './gemm';

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

/** 4 pixels and 8 outputs: a turn takes the inputs `j` and `j + 4` of 8. */
function dot4x8(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  product4x8(table, count, a, w, out, true);
}

/** 6 pixels and 4 outputs. */
function dot6x4(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  product6x4(table, count, a, w, out, true);
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
    out += 2 * planeBytes;
  }
  if (quads) {
    for (let p: usize = 0; p < end; p += 96) dot6x4(table, count, a + p, w, out + p);
  }
}
