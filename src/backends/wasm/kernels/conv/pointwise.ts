/**
 * Convolutions of one tap, without a prologue: pixels are read where they lie and outputs leave from registers. A few
 * pixels at a time meet all weights, so that memory is read and written in small portions between the products.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { madd, No, Yes } from '../lanes';
import { Span } from '../span';
import { wide } from '../width';
import { Input } from './input';
import { finish, Output, Sum } from './output';

/** A multiple of the pixels that each product takes. */
export const blockPixels: i32 = 24;

@unmanaged
class PointwiseArgs {
  input: Input;
  output: Output;
  rows: i32;
  columns: i32;
  /** Rows of all images. */
  span: Span;
  strideY: i32;
  strideX: i32;
  /** As `convPackWeights` leaves them. */
  weights: usize;
  /** Bytes of zeros, then of ones, for all outputs at the start of `local`; then come a `PointBlock` and room for eight outputs. */
  ones: usize;
}

/** What pixels and their outputs share. */
@unmanaged
export class PointBlock {
  xStep: usize;
  inputBytes: usize;
  yStep: usize;
  rStep: usize;
  /** Bytes between the weights of 8 outputs and the next 8. */
  wStep: usize;
  /** Address of room for eight outputs. */
  spare: usize;
}

/** Eight outputs of a pixel. */
// @ts-ignore: decorator
@inline
function write<Add, Some>(
  y: usize,
  low: v128,
  high: v128,
  bias: usize,
  slope: usize,
  r: usize,
  rest: i32,
  spare: usize,
): void {
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const slope0 = v128.load(slope);
  const slope1 = v128.load(slope, 16);
  finish<Yes, Add, Some>(y, low, high, r, bias0, bias1, slope0, slope1, rest, spare);
}

/** 4 pixels × 8 outputs; `rest`: channels from the last eight on. Pixels past `count` are computed in vain. */
// @ts-ignore: decorator
@inline
function point4x8<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let x0 = x;
  let x1 = count > 1 ? x0 + k.xStep : x0;
  let x2 = count > 2 ? x1 + k.xStep : x0;
  let x3 = count > 3 ? x2 + k.xStep : x0;
  const end = x + k.inputBytes;
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
    w += 32;
  }
  write<Add, Some>(y, a0, b0, bias, slope, r, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a1, b1, bias, slope, r, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a2, b2, bias, slope, r, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a3, b3, bias, slope, r, rest, k.spare);
}

/** 6 pixels × 8 outputs, for 256 bits. */
// @ts-ignore: decorator
@inline
function point6x8<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
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
  let x0 = x;
  let x1 = count > 1 ? x0 + k.xStep : x0;
  let x2 = count > 2 ? x1 + k.xStep : x0;
  let x3 = count > 3 ? x2 + k.xStep : x0;
  let x4 = count > 4 ? x3 + k.xStep : x0;
  let x5 = count > 5 ? x4 + k.xStep : x0;
  const end = x + k.inputBytes;
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
    w += 32;
  }
  write<Add, Some>(y, a0, b0, bias, slope, r, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a1, b1, bias, slope, r, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a2, b2, bias, slope, r, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a3, b3, bias, slope, r, rest, k.spare);
  if (count < 5) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a4, b4, bias, slope, r, rest, k.spare);
  if (count < 6) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, Some>(y, a5, b5, bias, slope, r, rest, k.spare);
}

/** 4 pixels × 16 outputs, for 256 bits. */
// @ts-ignore: decorator
@inline
function point4x16<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  let d3 = f32x4.splat(0);
  let x0 = x;
  let x1 = count > 1 ? x0 + k.xStep : x0;
  let x2 = count > 2 ? x1 + k.xStep : x0;
  let x3 = count > 3 ? x2 + k.xStep : x0;
  let u = w + k.wStep;
  const end = x + k.inputBytes;
  while (x0 < end) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const w2 = v128.load(u);
    const w3 = v128.load(u, 16);
    const v0 = v128.load32_splat(x0);
    const v1 = v128.load32_splat(x1);
    const v2 = v128.load32_splat(x2);
    const v3 = v128.load32_splat(x3);
    a0 = madd(v0, w0, a0);
    b0 = madd(v0, w1, b0);
    c0 = madd(v0, w2, c0);
    d0 = madd(v0, w3, d0);
    a1 = madd(v1, w0, a1);
    b1 = madd(v1, w1, b1);
    c1 = madd(v1, w2, c1);
    d1 = madd(v1, w3, d1);
    a2 = madd(v2, w0, a2);
    b2 = madd(v2, w1, b2);
    c2 = madd(v2, w2, c2);
    d2 = madd(v2, w3, d2);
    a3 = madd(v3, w0, a3);
    b3 = madd(v3, w1, b3);
    c3 = madd(v3, w2, c3);
    d3 = madd(v3, w3, d3);
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
    w += 32;
    u += 32;
  }
  write<Add, No>(y, a0, b0, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c0, d0, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a1, b1, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c1, d1, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a2, b2, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c2, d2, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a3, b3, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c3, d3, bias + 32, slope + 32, r + 32, rest, k.spare);
}

/** 16 outputs of `count` pixels. */
function points16<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  for (let p = 0; p < count; p += 4) {
    const i = p as usize;
    const at = x + i * k.xStep;
    point4x16<Add, Some>(k, at, w, y + i * k.yStep, r + i * k.rStep, bias, slope, count - p, rest);
  }
}

/** Eight outputs of `count` pixels. */
function points8<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  for (let p = 0; p < count; p += wide ? 6 : 4) {
    const i = p as usize;
    const at = x + i * k.xStep;
    const to = y + i * k.yStep;
    const from = r + i * k.rStep;
    if (wide) point6x8<Add, Some>(k, at, w, to, from, bias, slope, count - p, rest);
    else point4x8<Add, Some>(k, at, w, to, from, bias, slope, count - p, rest);
  }
}

/** All outputs of `count` pixels. */
export function pointBlock<Add>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  channels: i32,
): void {
  if (wide) {
    for (; channels > 8; channels -= 16) {
      if (channels >= 16) points16<Add, No>(k, x, w, y, r, bias, slope, count, 8);
      else points16<Add, Yes>(k, x, w, y, r, bias, slope, count, channels - 8);
      w += 2 * k.wStep;
      y += 64;
      r += 64;
      bias += 64;
      slope += 64;
    }
  }
  for (; channels > 0; channels -= 8) {
    if (channels >= 8) points8<Add, No>(k, x, w, y, r, bias, slope, count, 8);
    else points8<Add, Yes>(k, x, w, y, r, bias, slope, count, channels);
    w += k.wStep;
    y += 32;
    r += 32;
    bias += 32;
    slope += 32;
  }
}

/** Zeros, then ones, `octBytes` each, and behind them what pixels that are `stride` apart share, but for the steps of outputs. */
export function fillPointBlock(input: Input, stride: i32, local: usize, octBytes: usize): PointBlock {
  memory.fill(local, 0, octBytes);
  for (let at: usize = 0; at < octBytes; at += 4) store<f32>(local + octBytes + at, 1);
  const k = changetype<PointBlock>(local + 2 * octBytes);
  k.xStep = (stride as usize) * input.pixel;
  k.inputBytes = (input.channels as usize) << 2;
  k.wStep = (((input.channels + 3) & ~3) as usize) << 5;
  k.spare = changetype<usize>(k) + offsetof<PointBlock>();
  return k;
}

export function convPointwise(a: PointwiseArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const output = a.output;
  const from = a.span.first(chunk);
  const to = a.span.last(chunk);
  const k = fillPointBlock(input, a.strideX, local, a.ones);
  k.yStep = output.pixel;
  k.rStep = output.residualPixel;
  const bias = output.bias ? output.bias : local;
  const slope = output.slope ? output.slope : local + a.ones;
  for (let row = from; row < to; row++) {
    const n = (row / a.rows) as usize;
    const i = (row - (n as i32) * a.rows) as usize;
    let x = input.x + n * input.image + i * (a.strideY as usize) * input.row;
    let y = output.y + n * output.image + i * output.row;
    let r = output.residual + n * output.residualImage + i * output.residualRow;
    for (let left = 0; left < a.columns; left += blockPixels) {
      const count = min(blockPixels, a.columns - left);
      if (output.residual && output.activatesSum) {
        pointBlock<Sum>(k, x, a.weights, y, r, bias, slope, count, output.channels);
      } else if (output.residual) pointBlock<Yes>(k, x, a.weights, y, r, bias, slope, count, output.channels);
      else pointBlock<No>(k, x, a.weights, y, r, bias, slope, count, output.channels);
      x += (blockPixels as usize) * k.xStep;
      y += (blockPixels as usize) * k.yStep;
      r += (blockPixels as usize) * k.rStep;
    }
  }
}
