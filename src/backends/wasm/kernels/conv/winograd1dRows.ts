/**
 * Convolutions of 3×3 taps: Winograd F(4, 3) along the rows, as in `winograd1d.ts`, and plain sums over the three
 * rows. Outputs are walked down strips of tiles, so that each input row is transformed once and used by three output
 * rows: the transformed rows stay in a ring.
 */

import { No, Yes } from '../lanes';
import { Span } from '../span';
import { coefficientBytes, multiplyPlanes, planeBytes } from './gemm';
import { Input } from './input';
import { outerPlanes } from './outer';
import { Output } from './output';
import { fillConstants, placeTiles, Tiles } from './tiles';
import { transformGradients } from './winograd1dGradients';
import { transformInputs } from './winograd1dInputs';
import { transformOutputs } from './winograd1dOutputs';

const lines: i32 = 3;

/** The walk over rows. */
@unmanaged
class Rows {
  perImage: i32;
  dilation: i32;
  padding: i32;
  /** Tiles of a strip. */
  strip: i32;
}

@unmanaged
class Winograd1dRowsArgs {
  input: Input;
  output: Output;
  tiles: Tiles;
  rows: Rows;
  /** Output rows of all images. */
  span: Span;
}

@unmanaged
class GradWeightWinograd1dRowsArgs {
  input: Input;
  gradient: Input;
  tiles: Tiles;
  rows: Rows;
  /** Output rows of all images. */
  span: Span;
}

/** The `i`-th of an image's rows in the order of the walk: rows that are `dilation` apart follow each other. */
function rowAt(rows: Rows, i: i32): i32 {
  const d = rows.dilation;
  const least = rows.perImage / d;
  const longer = rows.perImage - least * d;
  const inLonger = longer * (least + 1);
  if (i < inLonger) {
    const phase = i / (least + 1);
    return phase + (i - phase * (least + 1)) * d;
  }
  const phase = (i - inLonger) / least;
  return longer + phase + (i - inLonger - phase * least) * d;
}

/** Brings the ring to output row `y`; `rolled`: it holds the rows of the one before. */
function rollRing(
  input: Input,
  tiles: Tiles,
  rows: Rows,
  places: usize,
  count: i32,
  local: usize,
  n: i32,
  y: i32,
  turn: i32,
  rolled: bool,
): void {
  const octs = ((input.channels + 7) >> 3) as usize;
  const bytes = octs * planeBytes;
  for (let k = rolled ? lines - 1 : 0; k < lines; k++) {
    const iy = y - rows.padding + k * rows.dilation;
    const dst = local + tiles.inputs + (((turn + k) % lines) as usize) * bytes;
    if (<u32>iy >= <u32>input.height) memory.fill(dst, 0, bytes);
    else {
      const base = input.x + (n as usize) * input.image + (iy as usize) * input.row;
      transformInputs(input, tiles, places, count, base, local, dst);
    }
  }
}

/** Forward, or with respect to the input. */
export function convWinograd1dRows(a: Winograd1dRowsArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const output = a.output;
  const tiles = a.tiles;
  const rows = a.rows;
  const from = a.span.first(chunk);
  const to = a.span.last(chunk);
  const places = local + tiles.places;
  const v = local + tiles.inputs;
  const m = local + tiles.products;
  const entries = lines * ((input.channels + 3) >> 2);
  const outOcts = (output.channels + 7) >> 3;
  fillConstants(tiles, local);
  for (let left = 0; left < tiles.along; left += rows.strip) {
    const count = min(rows.strip, tiles.along - left);
    placeTiles(tiles, left, count, places);
    let last = -1;
    let turn = 0;
    for (let i = from; i < to; i++) {
      const n = i / rows.perImage;
      const y = rowAt(rows, i - n * rows.perImage);
      const rolled = i > from && y > 0 && y == last + rows.dilation;
      rollRing(input, tiles, rows, places, count, local, n, y, turn, rolled);
      const table = tiles.table + ((turn * entries) << 2);
      for (let k: usize = 0; k < 6; k++) {
        const at = k * coefficientBytes;
        multiplyPlanes(table, entries, v + at, tiles.weights + k * tiles.weightBytes, outOcts, outOcts, count, m + at);
      }
      const out = output.y + (n as usize) * output.image + (y as usize) * output.row;
      const residual = output.residual + (n as usize) * output.residualImage + (y as usize) * output.residualRow;
      transformOutputs(output, tiles, places, count, out, residual, local, m);
      last = y;
      turn = (turn + 1) % lines;
    }
  }
}

/** One partial weight gradient per chunk, in the transformed domain: `[coefficient][row][input][output]`. */
export function convGradWeightWinograd1dRows(a: GradWeightWinograd1dRowsArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const gradient = a.gradient;
  const tiles = a.tiles;
  const rows = a.rows;
  const from = a.span.first(chunk);
  const to = a.span.last(chunk);
  const places = local + tiles.places;
  const v = local + tiles.inputs;
  const g = local + tiles.products;
  const entries = lines * ((input.channels + 3) >> 2);
  const outOcts = (gradient.channels + 7) >> 3;
  const partial = tiles.weights + (chunk as usize) * tiles.weightBytes;
  fillConstants(tiles, local);
  for (let left = 0; left < tiles.along; left += rows.strip) {
    const count = min(rows.strip, tiles.along - left);
    placeTiles(tiles, left, count, places);
    let last = -1;
    let turn = 0;
    for (let i = from; i < to; i++) {
      const n = i / rows.perImage;
      const y = rowAt(rows, i - n * rows.perImage);
      const rolled = i > from && y > 0 && y == last + rows.dilation;
      rollRing(input, tiles, rows, places, count, local, n, y, turn, rolled);
      const base = gradient.x + (n as usize) * gradient.image + (y as usize) * gradient.row;
      transformGradients(gradient, tiles, places, count, base, local, g);
      const table = tiles.table + ((turn * entries) << 2);
      let out = partial;
      for (let k: usize = 0; k < 6; k++) {
        const at = k * coefficientBytes;
        for (let e = 0; e < entries; e++) {
          const x = v + at + load<usize>(table + (e << 2));
          if (left == 0 && i == from) outerPlanes<Yes>(x, g + at, outOcts, count, out);
          else outerPlanes<No>(x, g + at, outOcts, count, out);
          out += (outOcts as usize) << 7;
        }
      }
      last = y;
      turn = (turn + 1) % lines;
    }
  }
}
