/**
 * Convolutions of an RGB image in bytes. Rows become normalised floats once and stay in a ring as long as taps need
 * them; a row of taps is then a run of floats, so weights are read as they lie, without lanes for a fourth channel.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { madd, prelu4 } from '../lanes';
import { Input } from './input';
import { Output } from './output';

/** Rows of taps, at most: their addresses lie before the ring. */
export const mostLines: i32 = 16;

@unmanaged
class ImageArgs {
  input: Input;
  output: Output;
  /** Of the output. */
  rows: i32;
  columns: i32;
  totalRows: i32;
  rowsPerChunk: i32;
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
function finish(v: v128, bias: v128, slope: v128, activate: bool): v128 {
  return activate ? prelu4(f32x4.add(v, bias), slope) : v;
}

/** 4 pixels × 8 outputs. `x`: addresses of the rows of taps, `at`: of the first pixel in them. */
// @ts-ignore: decorator
@inline
function multiply4x8(
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
  bias0: v128,
  bias1: v128,
  slope0: v128,
  slope1: v128,
  activate: bool,
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
  v128.store(y, finish(a0, bias0, slope0, activate));
  v128.store(y, finish(b0, bias1, slope1, activate), 16);
  if (count < 2) return;
  y += yStep;
  v128.store(y, finish(a1, bias0, slope0, activate));
  v128.store(y, finish(b1, bias1, slope1, activate), 16);
  if (count < 3) return;
  y += yStep;
  v128.store(y, finish(a2, bias0, slope0, activate));
  v128.store(y, finish(b2, bias1, slope1, activate), 16);
  if (count < 4) return;
  y += yStep;
  v128.store(y, finish(a3, bias0, slope0, activate));
  v128.store(y, finish(b3, bias1, slope1, activate), 16);
}

export function convImage(grid: ImageArgs, chunk: i32, local: usize): void {
  const input = grid.input;
  const output = grid.output;
  const lines = grid.height;
  const rowBytes = grid.rowBytes;
  const rowsAt = local;
  const ring = local + ((mostLines << 2) as usize);
  const padding = (grid.paddingX * 12) as usize;
  const step = (grid.strideX * 12) as usize;
  const lineBytes = (grid.width * 12) as usize;
  const wStep = (output.channels as usize) << 2;
  const activate = output.bias != 0 || output.slope != 0;
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const from = chunk * grid.rowsPerChunk;
  const to = min(from + grid.rowsPerChunk, grid.totalRows);
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
      const bias0 = output.bias ? v128.load(output.bias + c) : zero;
      const bias1 = output.bias ? v128.load(output.bias + c, 16) : zero;
      const slope0 = output.slope ? v128.load(output.slope + c) : one;
      const slope1 = output.slope ? v128.load(output.slope + c, 16) : one;
      for (let ox = 0; ox < grid.columns; ox += 4) {
        multiply4x8(
          rowsAt,
          (ox as usize) * step,
          step,
          lines,
          lineBytes,
          grid.weights + c,
          wStep,
          y + (ox as usize) * output.pixel + c,
          output.pixel,
          grid.columns - ox,
          bias0,
          bias1,
          slope0,
          slope1,
          activate,
        );
      }
    }
  }
}
