/**
 * The transform `Bᵀ·x` of one-dimensional Winograd convolutions.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { is, madd, No, storeBoth, Yes } from '../lanes';
import { coefficientBytes, planeBytes } from './gemm';
import { Input, laneMask, packPixels, prologue } from './input';
import { Place, Tiles } from './tiles';

/** `4·u + (w − 5·v)`. */
// @ts-ignore: decorator
@inline
function outermost(u: v128, v: v128, w: v128, four: v128, minusFive: v128): v128 {
  return madd(four, u, madd(minusFive, v, w));
}

/**
 * `Bᵀ·x` of eight channels; coefficients go `coefficientBytes` apart. `c`: of the first channel, in bytes; `rest`:
 * channels that are left, where `some` are missing. Everything in pairs, for 256 bits.
 */
// @ts-ignore: decorator
@inline
function transformInput<Affine, Activate, Some>(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  to: usize,
  scale: usize,
  shift: usize,
  slope: usize,
  rest: i32,
  two: v128,
  four: v128,
  minusFour: v128,
  minusFive: v128,
): void {
  let a0 = v128.load(x0);
  let b0 = v128.load(x0, 16);
  let a1 = v128.load(x1);
  let b1 = v128.load(x1, 16);
  let a2 = v128.load(x2);
  let b2 = v128.load(x2, 16);
  let a3 = v128.load(x3);
  let b3 = v128.load(x3, 16);
  let a4 = v128.load(x4);
  let b4 = v128.load(x4, 16);
  let a5 = v128.load(x5);
  let b5 = v128.load(x5, 16);
  if (is<Affine>() || is<Activate>()) {
    const none = f32x4.splat(0);
    const scaleA = is<Affine>() ? v128.load(scale) : none;
    const scaleB = is<Affine>() ? v128.load(scale, 16) : none;
    const shiftA = is<Affine>() ? v128.load(shift) : none;
    const shiftB = is<Affine>() ? v128.load(shift, 16) : none;
    const slopeA = is<Activate>() ? v128.load(slope) : none;
    const slopeB = is<Activate>() ? v128.load(slope, 16) : none;
    a0 = prologue<Affine, Activate>(a0, scaleA, shiftA, slopeA);
    b0 = prologue<Affine, Activate>(b0, scaleB, shiftB, slopeB);
    a1 = prologue<Affine, Activate>(a1, scaleA, shiftA, slopeA);
    b1 = prologue<Affine, Activate>(b1, scaleB, shiftB, slopeB);
    a2 = prologue<Affine, Activate>(a2, scaleA, shiftA, slopeA);
    b2 = prologue<Affine, Activate>(b2, scaleB, shiftB, slopeB);
    a3 = prologue<Affine, Activate>(a3, scaleA, shiftA, slopeA);
    b3 = prologue<Affine, Activate>(b3, scaleB, shiftB, slopeB);
    a4 = prologue<Affine, Activate>(a4, scaleA, shiftA, slopeA);
    b4 = prologue<Affine, Activate>(b4, scaleB, shiftB, slopeB);
    a5 = prologue<Affine, Activate>(a5, scaleA, shiftA, slopeA);
    b5 = prologue<Affine, Activate>(b5, scaleB, shiftB, slopeB);
  }
  if (is<Some>()) {
    const maskA = laneMask(rest);
    const maskB = laneMask(rest - 4);
    a0 = v128.and(a0, maskA);
    b0 = v128.and(b0, maskB);
    a1 = v128.and(a1, maskA);
    b1 = v128.and(b1, maskB);
    a2 = v128.and(a2, maskA);
    b2 = v128.and(b2, maskB);
    a3 = v128.and(a3, maskA);
    b3 = v128.and(b3, maskB);
    a4 = v128.and(a4, maskA);
    b4 = v128.and(b4, maskB);
    a5 = v128.and(a5, maskA);
    b5 = v128.and(b5, maskB);
  }
  storeBoth(to, outermost(a0, a2, a4, four, minusFive), outermost(b0, b2, b4, four, minusFive));
  const evenA = madd(minusFour, a2, a4);
  const evenB = madd(minusFour, b2, b4);
  const oddA = madd(minusFour, a1, a3);
  const oddB = madd(minusFour, b1, b3);
  storeBoth(to + coefficientBytes, f32x4.add(evenA, oddA), f32x4.add(evenB, oddB));
  storeBoth(to + 2 * coefficientBytes, f32x4.sub(evenA, oddA), f32x4.sub(evenB, oddB));
  const cA = f32x4.sub(a4, a2);
  const cB = f32x4.sub(b4, b2);
  const eA = f32x4.mul(two, f32x4.sub(a3, a1));
  const eB = f32x4.mul(two, f32x4.sub(b3, b1));
  storeBoth(to + 3 * coefficientBytes, f32x4.add(cA, eA), f32x4.add(cB, eB));
  storeBoth(to + 4 * coefficientBytes, f32x4.sub(cA, eA), f32x4.sub(cB, eB));
  storeBoth(to + 5 * coefficientBytes, outermost(a1, a3, a5, four, minusFive), outermost(b1, b3, b5, four, minusFive));
}

// @ts-ignore: decorator
@inline
export function clamped(at: i32, length: i32, address: usize, zeros: usize): usize {
  return <u32>at < <u32>length ? address : zeros;
}

/** The six pixels of a tile of which some lie outside, after the prologue. */
function packTile(input: Input, at: i32, length: i32, x: usize, step: usize, d: i32, dst: usize): void {
  const bytes = (((input.channels + 7) & ~7) << 2) as usize;
  for (let k = 0; k < 6; k++) {
    if (<u32>at < <u32>length) packPixels(input, 0, x, 0, 1, dst, 32);
    else memory.fill(dst, 0, bytes);
    at += d;
    x += step;
    dst += bytes;
  }
}

/**
 * Reads the rest of four pixels, of which only a range of channels is wanted: processors fetch ahead what is read line
 * after line, and every other half of a pixel is no such stream. `to`: a place that is written next, so that the loads
 * are not left out.
 */
// @ts-ignore: decorator
@inline
export function fetchRest(x0: usize, x1: usize, x2: usize, x3: usize, from: usize, end: usize, to: usize): void {
  let sum = f32x4.splat(0);
  for (let at = from; at < end; at += 64) {
    sum = v128.xor(sum, v128.xor(v128.load(x0 + at), v128.load(x1 + at)));
    sum = v128.xor(sum, v128.xor(v128.load(x2 + at), v128.load(x3 + at)));
  }
  v128.store(to, sum);
}

/** Transformed inputs of a block of tiles. `base`: of image 0, line 0. */
function transformTiles<Affine, Activate>(
  input: Input,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  local: usize,
  dst: usize,
): void {
  const length = tiles.vertical ? input.height : input.width;
  const pixel = tiles.vertical ? input.row : input.pixel;
  const line = tiles.vertical ? input.pixel : input.row;
  const d = tiles.dilation;
  const step = pixel * (d as usize);
  const body = ((input.channels & ~7) << 2) as usize;
  const rest = input.channels & 7;
  const wanted = (input.channels << 2) as usize;
  const bytes = (((input.channels + 7) & ~7) << 2) as usize;
  const scales = input.scale;
  const shifts = input.shift;
  const slopes = input.slope;
  // From memory, as V8 would make a constant anew, by several instructions, in every turn.
  const one = v128.load(local + tiles.ones);
  const two = f32x4.add(one, one);
  const four = f32x4.add(two, two);
  const minusFour = f32x4.neg(four);
  const minusFive = f32x4.sub(minusFour, one);
  const much = input.pixel > wanted + 16;
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    const at = place.position - tiles.padding;
    const x = base + (place.image as usize) * input.image + (place.line as usize) * line + (at as usize) * pixel;
    let to = dst + ((i as usize) << 5);
    places += offsetof<Place>();
    if (is<Affine>() && (at < 0 || at + 5 * d >= length)) {
      // Padding comes after the prologue.
      packTile(input, at, length, x, step, d, local + tiles.pixels);
      const p = local + tiles.pixels;
      const p1 = p + bytes;
      const p2 = p1 + bytes;
      const p3 = p2 + bytes;
      const p4 = p3 + bytes;
      const p5 = p4 + bytes;
      for (let c: usize = 0; c < bytes; c += 32) {
        transformInput<No, No, No>(
          p + c,
          p1 + c,
          p2 + c,
          p3 + c,
          p4 + c,
          p5 + c,
          to,
          0,
          0,
          0,
          8,
          two,
          four,
          minusFour,
          minusFive,
        );
        to += planeBytes;
      }
      continue;
    }
    // Here padding reads zeros, which PReLU leaves zero.
    const x0 = is<Affine>() ? x : clamped(at, length, x, local);
    const x1 = is<Affine>() ? x + step : clamped(at + d, length, x + step, local);
    const x2 = is<Affine>() ? x + 2 * step : clamped(at + 2 * d, length, x + 2 * step, local);
    const x3 = is<Affine>() ? x + 3 * step : clamped(at + 3 * d, length, x + 3 * step, local);
    const x4 = is<Affine>() ? x + 4 * step : clamped(at + 4 * d, length, x + 4 * step, local);
    const x5 = is<Affine>() ? x + 5 * step : clamped(at + 5 * d, length, x + 5 * step, local);
    if (much) fetchRest(x2, x3, x4, x5, wanted, input.pixel, to);
    let c: usize = 0;
    for (; c < body; c += 32) {
      transformInput<Affine, Activate, No>(
        x0 + c,
        x1 + c,
        x2 + c,
        x3 + c,
        x4 + c,
        x5 + c,
        to,
        scales + c,
        shifts + c,
        slopes + c,
        8,
        two,
        four,
        minusFour,
        minusFive,
      );
      to += planeBytes;
    }
    if (rest) {
      transformInput<Affine, Activate, Yes>(
        x0 + c,
        x1 + c,
        x2 + c,
        x3 + c,
        x4 + c,
        x5 + c,
        to,
        scales + c,
        shifts + c,
        slopes + c,
        rest,
        two,
        four,
        minusFour,
        minusFive,
      );
    }
  }
}

export function transformInputs(
  input: Input,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  local: usize,
  dst: usize,
): void {
  if (input.scale) {
    if (input.slope) transformTiles<Yes, Yes>(input, tiles, places, count, base, local, dst);
    else transformTiles<Yes, No>(input, tiles, places, count, base, local, dst);
  } else {
    if (input.slope) transformTiles<No, Yes>(input, tiles, places, count, base, local, dst);
    else transformTiles<No, No>(input, tiles, places, count, base, local, dst);
  }
}
