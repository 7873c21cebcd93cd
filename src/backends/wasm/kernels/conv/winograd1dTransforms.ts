/**
 * The transforms `Bᵀ·x` and `Aᵀ·m` of one-dimensional Winograd convolutions.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { madd, prelu4 } from '../lanes';
import { coefficientBytes, planeBytes } from './gemm';
import { Input, laneMask, packPixels } from './input';
import { Output, storeEight } from './output';
import { Place, Tiles } from './tiles';

// @ts-ignore: decorator
@inline
function prologue(v: v128, affine: bool, scale: v128, shift: v128, activate: bool, slope: v128): v128 {
  if (affine) v = madd(v, scale, shift);
  return activate ? prelu4(v, slope) : v;
}

/** `4·u + (w − 5·v)`. */
// @ts-ignore: decorator
@inline
function outermost(u: v128, v: v128, w: v128): v128 {
  return madd(f32x4.splat(4), u, madd(f32x4.splat(-5), v, w));
}

// @ts-ignore: decorator
@inline
export function storeBoth(to: usize, low: v128, high: v128): void {
  v128.store(to, low);
  v128.store(to, high, 16);
}

/**
 * `Bᵀ·x` of eight channels; coefficients go `coefficientBytes` apart. `c`: of the first channel, in bytes; `rest`:
 * channels that are left, where `some` are missing. Everything in pairs, for 256 bits.
 */
// @ts-ignore: decorator
@inline
function transformInput(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  to: usize,
  affine: bool,
  scale: usize,
  shift: usize,
  activate: bool,
  slope: usize,
  some: bool,
  rest: i32,
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
  if (affine || activate) {
    const none = f32x4.splat(0);
    const scaleA = affine ? v128.load(scale) : none;
    const scaleB = affine ? v128.load(scale, 16) : none;
    const shiftA = affine ? v128.load(shift) : none;
    const shiftB = affine ? v128.load(shift, 16) : none;
    const slopeA = activate ? v128.load(slope) : none;
    const slopeB = activate ? v128.load(slope, 16) : none;
    a0 = prologue(a0, affine, scaleA, shiftA, activate, slopeA);
    b0 = prologue(b0, affine, scaleB, shiftB, activate, slopeB);
    a1 = prologue(a1, affine, scaleA, shiftA, activate, slopeA);
    b1 = prologue(b1, affine, scaleB, shiftB, activate, slopeB);
    a2 = prologue(a2, affine, scaleA, shiftA, activate, slopeA);
    b2 = prologue(b2, affine, scaleB, shiftB, activate, slopeB);
    a3 = prologue(a3, affine, scaleA, shiftA, activate, slopeA);
    b3 = prologue(b3, affine, scaleB, shiftB, activate, slopeB);
    a4 = prologue(a4, affine, scaleA, shiftA, activate, slopeA);
    b4 = prologue(b4, affine, scaleB, shiftB, activate, slopeB);
    a5 = prologue(a5, affine, scaleA, shiftA, activate, slopeA);
    b5 = prologue(b5, affine, scaleB, shiftB, activate, slopeB);
  }
  if (some) {
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
  const minusFour = f32x4.splat(-4);
  const two = f32x4.splat(2);
  storeBoth(to, outermost(a0, a2, a4), outermost(b0, b2, b4));
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
  storeBoth(to + 5 * coefficientBytes, outermost(a1, a3, a5), outermost(b1, b3, b5));
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
// @ts-ignore: decorator
@inline
function transformTiles(
  input: Input,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  local: usize,
  dst: usize,
  affine: bool,
  activate: bool,
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
  const much = input.pixel > wanted + 16;
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    const at = place.position - tiles.padding;
    const x = base + (place.image as usize) * input.image + (place.line as usize) * line + (at as usize) * pixel;
    let to = dst + ((i as usize) << 5);
    places += offsetof<Place>();
    if (affine && (at < 0 || at + 5 * d >= length)) {
      // Padding comes after the prologue.
      packTile(input, at, length, x, step, d, local + tiles.pixels);
      const p = local + tiles.pixels;
      const p1 = p + bytes;
      const p2 = p1 + bytes;
      const p3 = p2 + bytes;
      const p4 = p3 + bytes;
      const p5 = p4 + bytes;
      for (let c: usize = 0; c < bytes; c += 32) {
        transformInput(p + c, p1 + c, p2 + c, p3 + c, p4 + c, p5 + c, to, false, 0, 0, false, 0, false, 8);
        to += planeBytes;
      }
      continue;
    }
    // Here padding reads zeros, which PReLU leaves zero.
    const x0 = affine ? x : clamped(at, length, x, local);
    const x1 = affine ? x + step : clamped(at + d, length, x + step, local);
    const x2 = affine ? x + 2 * step : clamped(at + 2 * d, length, x + 2 * step, local);
    const x3 = affine ? x + 3 * step : clamped(at + 3 * d, length, x + 3 * step, local);
    const x4 = affine ? x + 4 * step : clamped(at + 4 * d, length, x + 4 * step, local);
    const x5 = affine ? x + 5 * step : clamped(at + 5 * d, length, x + 5 * step, local);
    if (much) fetchRest(x2, x3, x4, x5, wanted, input.pixel, to);
    let c: usize = 0;
    for (; c < body; c += 32) {
      transformInput(
        x0 + c,
        x1 + c,
        x2 + c,
        x3 + c,
        x4 + c,
        x5 + c,
        to,
        affine,
        scales + c,
        shifts + c,
        activate,
        slopes + c,
        false,
        8,
      );
      to += planeBytes;
    }
    if (rest) {
      transformInput(
        x0 + c,
        x1 + c,
        x2 + c,
        x3 + c,
        x4 + c,
        x5 + c,
        to,
        affine,
        scales + c,
        shifts + c,
        activate,
        slopes + c,
        true,
        rest,
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
    if (input.slope) transformTiles(input, tiles, places, count, base, local, dst, true, true);
    else transformTiles(input, tiles, places, count, base, local, dst, true, false);
  } else {
    if (input.slope) transformTiles(input, tiles, places, count, base, local, dst, false, true);
    else transformTiles(input, tiles, places, count, base, local, dst, false, false);
  }
}

/** The sum of four products and one, as `Aᵀ` has it: `m0 + a + c`. */
// @ts-ignore: decorator
@inline
function sum3(m0: v128, a: v128, c: v128): v128 {
  return f32x4.add(f32x4.add(m0, a), c);
}

/** One output's eight channels: bias, PReLU, residual; `rest` of them are stored. */
// @ts-ignore: decorator
@inline
function finish(
  y: usize,
  low: v128,
  high: v128,
  r: usize,
  bias: usize,
  slope: usize,
  activate: bool,
  add: bool,
  some: bool,
  rest: i32,
): void {
  if (activate) {
    low = prelu4(f32x4.add(low, v128.load(bias)), v128.load(slope));
    high = prelu4(f32x4.add(high, v128.load(bias, 16)), v128.load(slope, 16));
  }
  if (add) {
    low = f32x4.add(low, v128.load(r));
    high = f32x4.add(high, v128.load(r, 16));
  }
  if (some) storeEight(y, low, high, rest);
  else storeBoth(y, low, high);
}

/** `Aᵀ·m` of eight channels, then the epilogue; outputs go `step` bytes apart. */
// @ts-ignore: decorator
@inline
function transformOutput(
  m: usize,
  y: usize,
  step: usize,
  r: usize,
  rStep: usize,
  bias: usize,
  slope: usize,
  activate: bool,
  add: bool,
  some: bool,
  outputs: i32,
  rest: i32,
): void {
  const p0 = v128.load(m);
  const q0 = v128.load(m, 16);
  const p1 = v128.load(m, coefficientBytes);
  const q1 = v128.load(m, coefficientBytes + 16);
  const p2 = v128.load(m, 2 * coefficientBytes);
  const q2 = v128.load(m, 2 * coefficientBytes + 16);
  const p3 = v128.load(m, 3 * coefficientBytes);
  const q3 = v128.load(m, 3 * coefficientBytes + 16);
  const p4 = v128.load(m, 4 * coefficientBytes);
  const q4 = v128.load(m, 4 * coefficientBytes + 16);
  const p5 = v128.load(m, 5 * coefficientBytes);
  const q5 = v128.load(m, 5 * coefficientBytes + 16);
  const pa = f32x4.add(p1, p2);
  const qa = f32x4.add(q1, q2);
  const pb = f32x4.sub(p1, p2);
  const qb = f32x4.sub(q1, q2);
  const pc = f32x4.add(p3, p4);
  const qc = f32x4.add(q3, q4);
  const pe = f32x4.sub(p3, p4);
  const qe = f32x4.sub(q3, q4);
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const eight = f32x4.splat(8);
  finish(y, sum3(p0, pa, pc), sum3(q0, qa, qc), r, bias, slope, activate, add, some, rest);
  if (some && outputs < 2) return;
  y += step;
  r += rStep;
  finish(y, madd(two, pe, pb), madd(two, qe, qb), r, bias, slope, activate, add, some, rest);
  if (some && outputs < 3) return;
  y += step;
  r += rStep;
  finish(y, madd(four, pc, pa), madd(four, qc, qa), r, bias, slope, activate, add, some, rest);
  if (some && outputs < 4) return;
  y += step;
  r += rStep;
  const p = madd(eight, pe, f32x4.add(pb, p5));
  finish(y, p, madd(eight, qe, f32x4.add(qb, q5)), r, bias, slope, activate, add, some, rest);
}

// @ts-ignore: decorator
@inline
function writeTiles(
  output: Output,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  residual: usize,
  local: usize,
  m: usize,
  activate: bool,
  add: bool,
): void {
  const pixel = tiles.vertical ? output.row : output.pixel;
  const line = tiles.vertical ? output.pixel : output.row;
  const rPixel = tiles.vertical ? output.residualRow : output.residualPixel;
  const rLine = tiles.vertical ? output.residualPixel : output.residualRow;
  const d = tiles.dilation;
  const step = pixel * (d as usize);
  const rStep = rPixel * (d as usize);
  const biases = output.bias ? output.bias : local;
  const slopes = output.slope ? output.slope : local + tiles.ones;
  const channels = output.channels;
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    places += offsetof<Place>();
    const at = place.position;
    const outputs = (tiles.length - at + d - 1) / d;
    if (outputs <= 0) continue;
    let y = base + (place.image as usize) * output.image + (place.line as usize) * line + (at as usize) * pixel;
    let r =
      residual + (place.image as usize) * output.residualImage + (place.line as usize) * rLine + (at as usize) * rPixel;
    let from = m + ((i as usize) << 5);
    let bias = biases;
    let slope = slopes;
    let c = 0;
    if (outputs >= 4) {
      for (; c + 8 <= channels; c += 8) {
        transformOutput(from, y, step, r, rStep, bias, slope, activate, add, false, 4, 8);
        from += planeBytes;
        y += 32;
        r += 32;
        bias += 32;
        slope += 32;
      }
    }
    for (; c < channels; c += 8) {
      transformOutput(from, y, step, r, rStep, bias, slope, activate, add, true, outputs, channels - c);
      from += planeBytes;
      y += 32;
      r += 32;
      bias += 32;
      slope += 32;
    }
  }
}

/** Outputs of a block of tiles, after the epilogue. `base`, `residual`: of image 0, line 0. */
export function transformOutputs(
  output: Output,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  residual: usize,
  local: usize,
  m: usize,
): void {
  if (output.bias || output.slope) {
    if (output.residual) writeTiles(output, tiles, places, count, base, residual, local, m, true, true);
    else writeTiles(output, tiles, places, count, base, residual, local, m, true, false);
  } else {
    if (output.residual) writeTiles(output, tiles, places, count, base, residual, local, m, false, true);
    else writeTiles(output, tiles, places, count, base, residual, local, m, false, false);
  }
}
