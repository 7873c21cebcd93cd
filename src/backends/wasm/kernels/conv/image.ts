/**
 * Convolutions of an RGB image in bytes. Rows become normalised floats once and stay in a ring as long as taps need
 * them; a row of taps is then a run of floats, so weights are read as they lie, without lanes for a fourth channel.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { is, madd, No, prelu4, Yes } from '../lanes';
import { Span } from '../span';
import { wide } from '../width';
import { Input } from './input';
import { Output, storeBoth } from './output';

/** Rows of taps, at most: their addresses lie before the ring, and then eight zeros and eight ones. */
export const mostLines: i32 = 16;

@unmanaged
class ImageArgs {
  input: Input;
  output: Output;
  /** Of the output. */
  rows: i32;
  columns: i32;
  /** Rows of all images. */
  span: Span;
  strideY: i32;
  strideX: i32;
  paddingY: i32;
  paddingX: i32;
  /** Taps. */
  height: i32;
  width: i32;
  weights: usize;
  /** Bytes of a row in the ring. */
  rowBytes: usize;
}

/** Floats of a row: zeros for the padding, pixels, zeros. `y`: the row in the image. */
function fillRow(input: Input, y: i32, n: i32, padding: usize, rowBytes: usize, dst: usize): void {
  if (<u32>y >= <u32>input.height) {
    memory.fill(dst, 0, rowBytes);
    return;
  }
  memory.fill(dst, 0, padding);
  const table = input.normalize;
  const r = load<f32>(table);
  const g = load<f32>(table, 4);
  const b = load<f32>(table, 8);
  const r0 = load<f32>(table, 12);
  const g0 = load<f32>(table, 16);
  const b0 = load<f32>(table, 20);
  const scale0 = f32x4(r, g, b, r);
  const scale1 = f32x4(g, b, r, g);
  const scale2 = f32x4(b, r, g, b);
  const shift0 = f32x4(r0, g0, b0, r0);
  const shift1 = f32x4(g0, b0, r0, g0);
  const shift2 = f32x4(b0, r0, g0, b0);
  let src = input.x + (n as usize) * input.image + (y as usize) * input.row;
  const first = dst + padding;
  const end = first + ((input.width * 12) as usize);
  let to = first;
  // Four pixels a turn; what is written past the row becomes zeros below.
  while (to < end) {
    const bytes = v128.load(src);
    const low = i16x8.extend_low_i8x16_u(bytes);
    // Signed: the conversion of unsigned numbers takes several instructions.
    const v0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low));
    const v1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low));
    const v2 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_high_i8x16_u(bytes)));
    v128.store(to, madd(v0, scale0, shift0));
    v128.store(to, madd(v1, scale1, shift1), 16);
    v128.store(to, madd(v2, scale2, shift2), 32);
    src += 12;
    to += 48;
  }
  memory.fill(end, 0, dst + rowBytes - end);
}

// @ts-ignore: decorator
@inline
function write<Activate>(y: usize, low: v128, high: v128, bias: usize, slope: usize): void {
  if (is<Activate>()) {
    low = prelu4(f32x4.add(low, v128.load(bias)), v128.load(slope));
    high = prelu4(f32x4.add(high, v128.load(bias, 16)), v128.load(slope, 16));
  }
  storeBoth(y, low, high);
}

/** 4 pixels × 8 outputs. `x`: addresses of the rows of taps, `at`: of the first pixel in them. */
function multiply4x8<Activate>(
  x: usize,
  at: usize,
  step: usize,
  lines: i32,
  lineBytes: usize,
  w: usize,
  wStep: usize,
  y: usize,
  yStep: usize,
  count: i32,
  bias: usize,
  slope: usize,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  for (let line = 0; line < lines; line++) {
    let x0 = load<usize>(x + ((line as usize) << 2)) + at;
    let x1 = x0 + step;
    let x2 = x1 + step;
    let x3 = x2 + step;
    const end = x0 + lineBytes;
    while (x0 < end) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const v0 = v128.load32_splat(x0);
      const v1 = v128.load32_splat(x1);
      const v2 = v128.load32_splat(x2);
      const v3 = v128.load32_splat(x3);
      a0 = madd(v0, w0, a0);
      b0 = madd(v0, w1, b0);
      a1 = madd(v1, w0, a1);
      b1 = madd(v1, w1, b1);
      a2 = madd(v2, w0, a2);
      b2 = madd(v2, w1, b2);
      a3 = madd(v3, w0, a3);
      b3 = madd(v3, w1, b3);
      x0 += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      w += wStep;
    }
  }
  write<Activate>(y, a0, b0, bias, slope);
  if (count < 2) return;
  y += yStep;
  write<Activate>(y, a1, b1, bias, slope);
  if (count < 3) return;
  y += yStep;
  write<Activate>(y, a2, b2, bias, slope);
  if (count < 4) return;
  y += yStep;
  write<Activate>(y, a3, b3, bias, slope);
}

/** 6 pixels × 8 outputs, for 256 bits. */
function multiply6x8<Activate>(
  x: usize,
  at: usize,
  step: usize,
  lines: i32,
  lineBytes: usize,
  w: usize,
  wStep: usize,
  y: usize,
  yStep: usize,
  count: i32,
  bias: usize,
  slope: usize,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let a4 = f32x4.splat(0);
  let a5 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let b4 = f32x4.splat(0);
  let b5 = f32x4.splat(0);
  for (let line = 0; line < lines; line++) {
    let x0 = load<usize>(x + ((line as usize) << 2)) + at;
    let x1 = x0 + step;
    let x2 = x1 + step;
    let x3 = x2 + step;
    let x4 = x3 + step;
    let x5 = x4 + step;
    const end = x0 + lineBytes;
    while (x0 < end) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const v0 = v128.load32_splat(x0);
      const v1 = v128.load32_splat(x1);
      const v2 = v128.load32_splat(x2);
      const v3 = v128.load32_splat(x3);
      const v4 = v128.load32_splat(x4);
      const v5 = v128.load32_splat(x5);
      a0 = madd(v0, w0, a0);
      b0 = madd(v0, w1, b0);
      a1 = madd(v1, w0, a1);
      b1 = madd(v1, w1, b1);
      a2 = madd(v2, w0, a2);
      b2 = madd(v2, w1, b2);
      a3 = madd(v3, w0, a3);
      b3 = madd(v3, w1, b3);
      a4 = madd(v4, w0, a4);
      b4 = madd(v4, w1, b4);
      a5 = madd(v5, w0, a5);
      b5 = madd(v5, w1, b5);
      x0 += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      x4 += 4;
      x5 += 4;
      w += wStep;
    }
  }
  write<Activate>(y, a0, b0, bias, slope);
  if (count < 2) return;
  y += yStep;
  write<Activate>(y, a1, b1, bias, slope);
  if (count < 3) return;
  y += yStep;
  write<Activate>(y, a2, b2, bias, slope);
  if (count < 4) return;
  y += yStep;
  write<Activate>(y, a3, b3, bias, slope);
  if (count < 5) return;
  y += yStep;
  write<Activate>(y, a4, b4, bias, slope);
  if (count < 6) return;
  y += yStep;
  write<Activate>(y, a5, b5, bias, slope);
}

/** A row of outputs, eight of their channels; `x`: addresses of the rows of taps. */
function multiplyRow<Activate>(grid: ImageArgs, x: usize, w: usize, y: usize, bias: usize, slope: usize): void {
  const lines = grid.height;
  const columns = grid.columns;
  const step = (grid.strideX * 12) as usize;
  const lineBytes = (grid.width * 12) as usize;
  const wStep = (grid.output.channels as usize) << 2;
  const yStep = grid.output.pixel;
  for (let ox = 0; ox < columns; ox += wide ? 6 : 4) {
    const at = (ox as usize) * step;
    const to = y + (ox as usize) * yStep;
    const count = columns - ox;
    if (wide) {
      multiply6x8<Activate>(x, at, step, lines, lineBytes, w, wStep, to, yStep, count, bias, slope);
    } else {
      multiply4x8<Activate>(x, at, step, lines, lineBytes, w, wStep, to, yStep, count, bias, slope);
    }
  }
}

export function convImage(grid: ImageArgs, chunk: i32, local: usize): void {
  const input = grid.input;
  const output = grid.output;
  const lines = grid.height;
  const rowBytes = grid.rowBytes;
  const rowsAt = local;
  const zeros = local + ((mostLines << 2) as usize);
  const ones = zeros + 32;
  const ring = ones + 32;
  memory.fill(zeros, 0, 32);
  for (let at = ones; at < ring; at += 4) store<f32>(at, 1);
  const padding = (grid.paddingX * 12) as usize;
  const wStep = (output.channels as usize) << 2;
  const activate = output.bias != 0 || output.slope != 0;
  const from = grid.span.first(chunk);
  const to = grid.span.last(chunk);
  // Rows of the image in the ring end here; those of another image are all filled anew.
  let filled = i32.MIN_VALUE;
  let image = -1;
  for (let row = from; row < to; row++) {
    const n = row / grid.rows;
    const oy = row - n * grid.rows;
    const top = oy * grid.strideY - grid.paddingY;
    if (n != image) filled = i32.MIN_VALUE;
    image = n;
    for (let line = 0; line < lines; line++) {
      const iy = top + line;
      const at = ring + (((iy + lines) % lines) as usize) * rowBytes;
      if (iy > filled) {
        fillRow(input, iy, n, padding, rowBytes, at);
        filled = iy;
      }
      store<usize>(rowsAt + ((line as usize) << 2), at);
    }
    const y = output.y + (n as usize) * output.image + (oy as usize) * output.row;
    for (let c: usize = 0; c < wStep; c += 32) {
      const bias = output.bias ? output.bias + c : zeros;
      const slope = output.slope ? output.slope + c : ones;
      const w = grid.weights + c;
      if (activate) multiplyRow<Yes>(grid, rowsAt, w, y + c, bias, slope);
      else multiplyRow<No>(grid, rowsAt, w, y + c, bias, slope);
    }
  }
}
