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
