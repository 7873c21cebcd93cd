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
 * A strip of tiles goes down the columns first, where neighbouring tiles share what they read; then, one vertical
 * coefficient after the other, along the rows, through the products and back along the rows; then back up the columns.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { No, Yes } from '../lanes';
import { multiplyPlanes } from './gemm';
import { lineBytes, linesBytes, storeConstants, tileBytes, Winograd2dArgs } from './winograd2dArgs';
import { readStrip, transformRows } from './winograd2dInputs';
import { returnRows, writeStrip } from './winograd2dOutputs';

/** Forward, or with respect to the input. */
export function convWinograd2d(a: Winograd2dArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const output = a.output;
  const inQuads = (input.channels + 3) >> 2;
  const octs = (input.channels + 7) >> 3;
  const outOcts = (output.channels + 7) >> 3;
  const columns = local + a.columns;
  const tiles = local + a.tiles;
  const products = local + a.products;
  const results = local + a.results;
  const table = a.table;
  const across = (a.width + 3) >> 2;
  const to = a.span.last(chunk);
  memory.fill(local, 0, a.ones);
  for (let at: usize = 0; at < a.ones; at += 4) store<f32>(local + a.ones + at, 1);
  const parts = a.dilationY * a.dilationX;
  const down = a.dilationY as usize;
  const along = a.dilationX as usize;
  const constants = local + 2 * a.ones;
  storeConstants(constants);
  for (let i = a.span.first(chunk); i < to; i++) {
    const n = i / a.perImage;
    const row = i - n * a.perImage;
    // The image, and the row and the column that the first of these is.
    const image = (n / parts) as usize;
    const part = n % parts;
    const top = (part / a.dilationX) as usize;
    const left = (part % a.dilationX) as usize;
    const x = input.x + image * input.image + top * (input.row / down) + left * (input.pixel / along);
    const y = output.y + image * output.image + top * (output.row / down) + left * (output.pixel / along);
    const r =
      output.residual +
      image * output.residualImage +
      top * (output.residualRow / down) +
      left * (output.residualPixel / along);
    for (let first = 0; first < across; first += a.strip) {
      const count = min(a.strip, across - first);
      readStrip(input, a, x, row, first, count, constants, local + a.rows, columns);
      let w = a.weights;
      for (let line: usize = 0; line < linesBytes; line += lineBytes) {
        transformRows(columns + line, octs, count, constants, tiles);
        for (let k: usize = 0; k < 6 * tileBytes; k += tileBytes) {
          multiplyPlanes(table, inQuads, tiles + k, w, outOcts, count, products + k);
          w += a.weightBytes;
        }
        returnRows(products, outOcts, count, constants, results + line);
      }
      if (output.bias || output.slope) {
        if (output.residual) writeStrip<Yes, Yes>(output, a, y, r, row, first, count, local);
        else writeStrip<Yes, No>(output, a, y, r, row, first, count, local);
      } else {
        if (output.residual) writeStrip<No, Yes>(output, a, y, r, row, first, count, local);
        else writeStrip<No, No>(output, a, y, r, row, first, count, local);
      }
    }
  }
}
