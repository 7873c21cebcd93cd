/**
 * The transforms `Bᵀ·x` and `Aᵀ·m` of one-dimensional Winograd convolutions.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { madd, prelu4 } from '../lanes';
import { coefficientBytes, planeBytes } from './gemm';
import { Input, laneMask, packPixels } from './input';
import { Output, storeLanes } from './output';
import { Place, Tiles } from './tiles';

/** `Bᵀ·x` of one quad of channels; coefficients of the six inputs go `coefficientBytes` apart. */
// @ts-ignore: decorator
@inline
function transformInput(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  dst: usize,
  affine: bool,
  scale: v128,
  shift: v128,
  activate: bool,
  slope: v128,
  masked: bool,
  mask: v128,
): void {
  let v0 = v128.load(x0);
  let v1 = v128.load(x1);
  let v2 = v128.load(x2);
  let v3 = v128.load(x3);
  let v4 = v128.load(x4);
  let v5 = v128.load(x5);
  if (affine) {
    v0 = madd(v0, scale, shift);
    v1 = madd(v1, scale, shift);
    v2 = madd(v2, scale, shift);
    v3 = madd(v3, scale, shift);
    v4 = madd(v4, scale, shift);
    v5 = madd(v5, scale, shift);
  }
  if (activate) {
    v0 = prelu4(v0, slope);
    v1 = prelu4(v1, slope);
    v2 = prelu4(v2, slope);
    v3 = prelu4(v3, slope);
    v4 = prelu4(v4, slope);
    v5 = prelu4(v5, slope);
  }
  if (masked) {
    v0 = v128.and(v0, mask);
    v1 = v128.and(v1, mask);
    v2 = v128.and(v2, mask);
    v3 = v128.and(v3, mask);
    v4 = v128.and(v4, mask);
    v5 = v128.and(v5, mask);
  }
  const four = f32x4.splat(4);
  const minusFour = f32x4.splat(-4);
  const minusFive = f32x4.splat(-5);
  const two = f32x4.splat(2);
  v128.store(dst, madd(four, v0, madd(minusFive, v2, v4)));
  const a = madd(minusFour, v2, v4);
  const b = madd(minusFour, v1, v3);
  v128.store(dst, f32x4.add(a, b), coefficientBytes);
  v128.store(dst, f32x4.sub(a, b), 2 * coefficientBytes);
  const c = f32x4.sub(v4, v2);
  const e = f32x4.mul(two, f32x4.sub(v3, v1));
  v128.store(dst, f32x4.add(c, e), 3 * coefficientBytes);
  v128.store(dst, f32x4.sub(c, e), 4 * coefficientBytes);
  v128.store(dst, madd(four, v1, madd(minusFive, v3, v5)), 5 * coefficientBytes);
}

// @ts-ignore: decorator
@inline
export function clamped(at: i32, length: i32, address: usize, zeros: usize): usize {
  return <u32>at < <u32>length ? address : zeros;
}

/** The six pixels of a tile of which some lie outside, after the prologue. */
function packTile(input: Input, at: i32, length: i32, x: usize, step: usize, d: i32, dst: usize): void {
  const bytes = (((input.channels + 3) & ~3) << 2) as usize;
  for (let k = 0; k < 6; k++) {
    if (<u32>at < <u32>length) packPixels(input, 0, x, 0, 1, dst, 16);
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
  const body = ((input.channels & ~3) << 2) as usize;
  const rest = input.channels & 3;
  const mask = laneMask(rest);
  const scales = input.scale;
  const shifts = input.shift;
  const slopes = input.slope;
  const none = f32x4.splat(0);
  const wide = input.pixel > body + 16;
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    const at = place.position - tiles.padding;
    const x = base + (place.image as usize) * input.image + (place.line as usize) * line + (at as usize) * pixel;
    let to = dst + ((i as usize) << 4);
    places += offsetof<Place>();
    if (affine && (at < 0 || at + 5 * d >= length)) {
      // Padding comes after the prologue.
      packTile(input, at, length, x, step, d, local + tiles.pixels);
      const bytes = (((input.channels + 3) & ~3) << 2) as usize;
      let p = local + tiles.pixels;
      for (let c: usize = 0; c < bytes; c += 16) {
        transformInput(
          p,
          p + bytes,
          p + 2 * bytes,
          p + 3 * bytes,
          p + 4 * bytes,
          p + 5 * bytes,
          to,
          false,
          none,
          none,
          false,
          none,
          false,
          mask,
        );
        p += 16;
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
    if (wide) fetchRest(x2, x3, x4, x5, body, input.pixel, to);
    let c: usize = 0;
    for (; c < body; c += 16) {
      const scale = affine ? v128.load(scales + c) : none;
      const shift = affine ? v128.load(shifts + c) : none;
      const slope = activate ? v128.load(slopes + c) : none;
      transformInput(
        x0 + c,
        x1 + c,
        x2 + c,
        x3 + c,
        x4 + c,
        x5 + c,
        to,
        affine,
        scale,
        shift,
        activate,
        slope,
        false,
        mask,
      );
      to += planeBytes;
    }
    if (rest) {
      const scale = affine ? v128.load(scales + c) : none;
      const shift = affine ? v128.load(shifts + c) : none;
      const slope = activate ? v128.load(slopes + c) : none;
      transformInput(
        x0 + c,
        x1 + c,
        x2 + c,
        x3 + c,
        x4 + c,
        x5 + c,
        to,
        affine,
        scale,
        shift,
        activate,
        slope,
        true,
        mask,
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

// @ts-ignore: decorator
@inline
function finish(v: v128, r: usize, bias: v128, slope: v128, activate: bool, add: bool): v128 {
  if (activate) v = prelu4(f32x4.add(v, bias), slope);
  return add ? f32x4.add(v, v128.load(r)) : v;
}

/** `Aᵀ·m` of one quad of channels, then the epilogue; outputs go `step` bytes apart. */
// @ts-ignore: decorator
@inline
function transformOutput(
  m: usize,
  y: usize,
  step: usize,
  r: usize,
  rStep: usize,
  bias: v128,
  slope: v128,
  activate: bool,
  add: bool,
  some: bool,
  outputs: i32,
  rest: i32,
): void {
  const m0 = v128.load(m);
  const m1 = v128.load(m, coefficientBytes);
  const m2 = v128.load(m, 2 * coefficientBytes);
  const m3 = v128.load(m, 3 * coefficientBytes);
  const m4 = v128.load(m, 4 * coefficientBytes);
  const m5 = v128.load(m, 5 * coefficientBytes);
  const a = f32x4.add(m1, m2);
  const b = f32x4.sub(m1, m2);
  const c = f32x4.add(m3, m4);
  const e = f32x4.sub(m3, m4);
  const y0 = f32x4.add(f32x4.add(m0, a), c);
  const y1 = madd(f32x4.splat(2), e, b);
  const y2 = madd(f32x4.splat(4), c, a);
  const y3 = madd(f32x4.splat(8), e, f32x4.add(b, m5));
  if (!some) {
    v128.store(y, finish(y0, r, bias, slope, activate, add));
    v128.store(y + step, finish(y1, r + rStep, bias, slope, activate, add));
    v128.store(y + 2 * step, finish(y2, r + 2 * rStep, bias, slope, activate, add));
    v128.store(y + 3 * step, finish(y3, r + 3 * rStep, bias, slope, activate, add));
    return;
  }
  storeLanes(y, finish(y0, r, bias, slope, activate, add), rest);
  if (outputs > 1) storeLanes(y + step, finish(y1, r + rStep, bias, slope, activate, add), rest);
  if (outputs > 2) storeLanes(y + 2 * step, finish(y2, r + 2 * rStep, bias, slope, activate, add), rest);
  if (outputs > 3) storeLanes(y + 3 * step, finish(y3, r + 3 * rStep, bias, slope, activate, add), rest);
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
  const none = f32x4.splat(0);
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    places += offsetof<Place>();
    const at = place.position;
    const outputs = (tiles.length - at + d - 1) / d;
    if (outputs <= 0) continue;
    let y = base + (place.image as usize) * output.image + (place.line as usize) * line + (at as usize) * pixel;
    let r =
      residual + (place.image as usize) * output.residualImage + (place.line as usize) * rLine + (at as usize) * rPixel;
    let from = m + ((i as usize) << 4);
    let c = 0;
    if (outputs >= 4) {
      for (; c + 4 <= channels; c += 4) {
        const bias = activate ? v128.load(biases + (c << 2)) : none;
        const slope = activate ? v128.load(slopes + (c << 2)) : none;
        transformOutput(from, y, step, r, rStep, bias, slope, activate, add, false, 4, 4);
        from += planeBytes;
        y += 16;
        r += 16;
      }
    }
    for (; c < channels; c += 4) {
      const bias = activate ? v128.load(biases + (c << 2)) : none;
      const slope = activate ? v128.load(slopes + (c << 2)) : none;
      transformOutput(from, y, step, r, rStep, bias, slope, activate, add, true, outputs, channels - c);
      from += planeBytes;
      y += 16;
      r += 16;
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
