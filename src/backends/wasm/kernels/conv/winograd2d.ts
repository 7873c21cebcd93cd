/**
 * Convolutions of 3×3 taps as two-dimensional Winograd F(4×4, 3×3): a tile of 16 outputs takes 36 multiplications per
 * pair of channels instead of 144 (Lavin & Gray 2016):
 *
 *     y = Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·x·B)]·A
 *
 * at the points 0, ±√½, ±√2, ∞, whose rounding errors are a third of those of 0, ±1, ±2, ∞.
 *
 * With a dilation, each residue of rows and columns is an image of its own, without one.
 *
 * Tiles of several rows, where rows are short, make a strip: weights are read anew for each. Where strips are few, chunks share
 * them, each with outputs of its own.
 *
 * A strip goes down the columns first, where neighbouring tiles share what they read; then, one vertical
 * coefficient after the other, along the rows, through the products and back along the rows; then back up the columns.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { No, Yes } from '../lanes';
import { wide } from '../width';
import { multiplyEights } from './eights';
import { multiplyPlanes } from './gemm';
import { Sum } from './output';
import { lineBytes, linesBytes, storeConstants, tileBytes, Winograd2dArgs } from './winograd2dArgs';
import { readStrip, transformRows } from './winograd2dInputs';
import { returnRows, writeStrip } from './winograd2dOutputs';

/** Where row `row` of tiles of all images begins: in its image, and within the residue of rows and columns that it is of. */
// @ts-ignore: decorator
@inline
function startOf(a: Winograd2dArgs, row: i32, first: usize, image: usize, rowBytes: usize, pixel: usize): usize {
  const parts = a.dilationY * a.dilationX;
  const n = row / a.perImage;
  const part = n % parts;
  const top = (part / a.dilationX) as usize;
  const left = (part % a.dilationX) as usize;
  return (
    first +
    ((n / parts) as usize) * image +
    top * (rowBytes / (a.dilationY as usize)) +
    left * (pixel / (a.dilationX as usize))
  );
}

/** Tiles of `count` columns from `first`, of the rows of tiles from `from` to `to`: to outputs from `channel` on, `octs` times eight. */
function convStrip(
  a: Winograd2dArgs,
  from: i32,
  to: i32,
  first: i32,
  count: i32,
  channel: i32,
  octs: i32,
  local: usize,
): void {
  const input = a.input;
  const output = a.output;
  const inQuads = (input.channels + 3) >> 2;
  const inOcts = (input.channels + 7) >> 3;
  const outOcts = (output.channels + 7) >> 3;
  const columns = local + a.columns;
  const tiles = local + a.tiles;
  const products = local + a.products;
  const results = local + a.results;
  const constants = local + 2 * a.ones;
  const all = (to - from) * count;
  /** Of a row of tiles: in lines of columns, in planes of tiles. */
  const lineStep = ((4 * count + 2) as usize) << 5;
  const tileStep = (count as usize) << 5;
  let at = columns;
  for (let row = from; row < to; row++) {
    const x = startOf(a, row, input.x, input.image, input.row, input.pixel);
    readStrip(input, a, x, row % a.perImage, first, count, constants, local + a.rows, at);
    at += lineStep;
  }
  let w = a.weights + ((channel as usize) << 4) * (inQuads as usize);
  for (let line: usize = 0; line < linesBytes; line += lineBytes) {
    let source = columns + line;
    let row = tiles;
    for (let i = from; i < to; i++) {
      transformRows(source, inOcts, count, constants, row);
      source += lineStep;
      row += tileStep;
    }
    if (wide && inQuads == 2 && outOcts == 1) multiplyEights(tiles, w, a.weightBytes, all, products);
    else {
      for (let k: usize = 0; k < 6; k++) {
        const at = k * tileBytes;
        multiplyPlanes(a.table, inQuads, tiles + at, w + k * a.weightBytes, octs, outOcts, all, products + at);
      }
    }
    w += 6 * a.weightBytes;
    returnRows(products, octs, all, constants, results + line);
  }
  let q = results;
  for (let row = from; row < to; row++) {
    const y = startOf(a, row, output.y, output.image, output.row, output.pixel);
    const r = startOf(a, row, output.residual, output.residualImage, output.residualRow, output.residualPixel);
    const i = row % a.perImage;
    if (output.bias || output.slope) {
      if (output.residual && output.activatesSum) {
        writeStrip<Yes, Sum>(output, a, y, r, i, first, count, channel, octs, q, local);
      } else if (output.residual) writeStrip<Yes, Yes>(output, a, y, r, i, first, count, channel, octs, q, local);
      else writeStrip<Yes, No>(output, a, y, r, i, first, count, channel, octs, q, local);
    } else {
      if (output.residual) writeStrip<No, Yes>(output, a, y, r, i, first, count, channel, octs, q, local);
      else writeStrip<No, No>(output, a, y, r, i, first, count, channel, octs, q, local);
    }
    q += (count as usize) << 7;
  }
}

/** Forward, or with respect to the input. */
export function convWinograd2d(a: Winograd2dArgs, chunk: i32, local: usize): void {
  const outOcts = (a.output.channels + 7) >> 3;
  const across = (a.width + 3) >> 2;
  memory.fill(local, 0, a.ones);
  for (let at: usize = 0; at < a.ones; at += 4) store<f32>(local + a.ones + at, 1);
  storeConstants(local + 2 * a.ones);
  const oct = (chunk % a.shares) * a.shareOcts;
  const octs = min(a.shareOcts, outOcts - oct);
  const to = a.span.last(chunk / a.shares);
  for (let i = a.span.first(chunk / a.shares); i < to; i += a.together) {
    for (let first = 0; first < across; first += a.strip) {
      const count = min(a.strip, across - first);
      convStrip(a, i, min(i + a.together, to), first, count, 8 * oct, octs, local);
    }
  }
}
