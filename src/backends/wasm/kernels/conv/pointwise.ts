/**
 * Convolutions of one tap, without a prologue: pixels are read where they lie and outputs leave from registers. A few
 * pixels at a time meet all weights, so that memory is read and written in small portions between the products.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { No, Yes } from '../lanes';
import { Span } from '../span';
import { wide } from '../width';
import { Input } from './input';
import { Output, Sum } from './output';
import { fillPointBlock, PointBlock } from './pointBlock';
import { points8 } from './pointProducts8';
import { points16 } from './pointProducts16';

/** A multiple of the pixels that each product takes. */
export const blockPixels: i32 = 24;

@unmanaged
export class PointwiseArgs {
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

/** What all pixels share, at the start of `local`. */
export function pointsOf(a: PointwiseArgs, local: usize): PointBlock {
  const k = fillPointBlock(a.input, a.strideX, local, a.ones);
  k.yStep = a.output.pixel;
  k.rStep = a.output.residualPixel;
  return k;
}

/** Outputs `[left, left + columns)` of a row, of those of all images. */
export function pointRow(a: PointwiseArgs, k: PointBlock, row: i32, left: i32, columns: i32, local: usize): void {
  const input = a.input;
  const output = a.output;
  const bias = output.bias ? output.bias : local;
  const slope = output.slope ? output.slope : local + a.ones;
  const n = (row / a.rows) as usize;
  const i = (row - (n as i32) * a.rows) as usize;
  const from = left as usize;
  let x = input.x + n * input.image + i * (a.strideY as usize) * input.row + from * k.xStep;
  let y = output.y + n * output.image + i * output.row + from * k.yStep;
  let r = output.residual + n * output.residualImage + i * output.residualRow + from * k.rStep;
  for (let at = 0; at < columns; at += blockPixels) {
    const count = min(blockPixels, columns - at);
    if (output.residual && output.activatesSum) {
      pointBlock<Sum>(k, x, a.weights, y, r, bias, slope, count, output.channels);
    } else if (output.residual) pointBlock<Yes>(k, x, a.weights, y, r, bias, slope, count, output.channels);
    else pointBlock<No>(k, x, a.weights, y, r, bias, slope, count, output.channels);
    x += (blockPixels as usize) * k.xStep;
    y += (blockPixels as usize) * k.yStep;
    r += (blockPixels as usize) * k.rStep;
  }
}

export function convPointwise(a: PointwiseArgs, chunk: i32, local: usize): void {
  const k = pointsOf(a, local);
  const to = a.span.last(chunk);
  for (let row = a.span.first(chunk); row < to; row++) pointRow(a, k, row, 0, a.columns, local);
}
