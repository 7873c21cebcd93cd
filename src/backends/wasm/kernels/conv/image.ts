/**
 * Convolutions of an RGB image, of bytes or floats. Rows become normalised floats once and stay in a ring as long as taps need
 * them; a row of taps is then a run of floats, so weights are read as they lie, without lanes for a fourth channel.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { firstFloats, secondFloats, thirdFloats } from '../bytes';
import { madd, No, storeBoth, Yes } from '../lanes';
import { Span } from '../span';
import { ImageBlock } from './imageBlock';
import { multiplyStrip } from './imageProducts';
import { Input } from './input';
import { Output } from './output';
import { secondOffset, weightsStep } from './weights';

/** Rows of taps, at most. */
export const mostLines: i32 = 16;

/** Pixels that meet all weights before the next ones do: a multiple of those that each product takes. */
export const stripPixels: i32 = 48;

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
  /** `[block of 8 outputs][tap][channel][8]`, filled up with zeros to whole blocks. */
  weights: usize;
  /** Bytes from the weights of 8 outputs to those of the next 8. */
  wStep: usize;
  /** Bytes of a row in the ring. */
  rowBytes: usize;
}

/** Bytes of the rows' addresses, of sixteen zeros and sixteen ones, and of room for eight outputs. */
export const imageLocals: i32 = 4 * mostLines + 64 + 64 + 32;

/** The bytes at `src` as normalised floats from `to` to `end`, four pixels a turn: up to three more are written. */
function normalizeRow(table: usize, src: usize, to: usize, end: usize): void {
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
  while (to < end) {
    const bytes = v128.load(src);
    const v0 = firstFloats(bytes);
    const v1 = secondFloats(bytes);
    const v2 = thirdFloats(bytes);
    storeBoth(to, madd(v0, scale0, shift0), madd(v1, scale1, shift1));
    v128.store(to, madd(v2, scale2, shift2), 32);
    src += 12;
    to += 48;
  }
}

/** Floats of a row: zeros for the padding, pixels, zeros. `y`: the row in the image. */
function fillRow(input: Input, y: i32, n: i32, padding: usize, rowBytes: usize, dst: usize): void {
  if (<u32>y >= <u32>input.height) {
    memory.fill(dst, 0, rowBytes);
    return;
  }
  const src = input.x + (n as usize) * input.image + (y as usize) * input.row;
  const first = dst + padding;
  const end = first + ((input.width * 12) as usize);
  memory.fill(dst, 0, padding);
  if (input.normalize) normalizeRow(input.normalize, src, first, end);
  else memory.copy(first, src, end - first);
  memory.fill(end, 0, dst + rowBytes - end);
}

export function convImage(grid: ImageArgs, chunk: i32, local: usize): void {
  const input = grid.input;
  const output = grid.output;
  const lines = grid.height;
  const rowBytes = grid.rowBytes;
  const zeros = local + ((mostLines << 2) as usize);
  const ones = zeros + 64;
  const k = changetype<ImageBlock>(local + imageLocals);
  const ring = changetype<usize>(k) + offsetof<ImageBlock>();
  memory.fill(zeros, 0, 64);
  for (let at: usize = 0; at < 64; at += 4) store<f32>(ones + at, 1);
  k.lines = lines;
  k.lineBytes = (grid.width * 12) as usize;
  k.xStep = (grid.strideX * 12) as usize;
  k.yStep = output.pixel;
  k.wStep = grid.wStep;
  const octs = (output.channels + 7) >> 3;
  k.second = secondOffset(octs, k.wStep);
  k.turn = weightsStep(0, octs, k.wStep);
  k.biasStep = output.bias ? 32 : 0;
  k.slopeStep = output.slope ? 32 : 0;
  k.spare = ones + 64;
  k.rows = local;
  const padding = (grid.paddingX * 12) as usize;
  const bias = output.bias ? output.bias : zeros;
  const slope = output.slope ? output.slope : ones;
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
      store<usize>(local + ((line as usize) << 2), at);
    }
    let y = output.y + (n as usize) * output.image + (oy as usize) * output.row;
    let at: usize = 0;
    for (let ox = 0; ox < grid.columns; ox += stripPixels) {
      const count = min(stripPixels, grid.columns - ox);
      if (activate) multiplyStrip<Yes>(k, at, grid.weights, y, bias, slope, count, output.channels);
      else multiplyStrip<No>(k, at, grid.weights, y, bias, slope, count, output.channels);
      at += (stripPixels as usize) * k.xStep;
      y += (stripPixels as usize) * k.yStep;
    }
  }
}
