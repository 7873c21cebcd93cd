/**
 * Convolutions of 3×3 taps as two-dimensional Winograd F(4×4, 3×3): a tile of 16 outputs takes 36 multiplications per
 * pair of channels instead of 144 (Lavin & Gray 2016):
 *
 *     y = Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·x·B)]·A
 *
 * at the points 0, ±√½, ±√2, ∞, whose rounding errors are a third of those of 0, ±1, ±2, ∞.
 *
 * A strip of tiles goes down the columns first, where neighbouring tiles share what they read; then, one vertical
 * coefficient after the other, along the rows, through the products and back along the rows; then back up the columns.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { madd, prelu4 } from '../lanes';
import { Ints } from '../tables';
import { multiplyPlanes, planeBytes } from './gemm';
import { Input, packPixels, packZeros } from './input';
import { Output, storeLanes } from './output';

/** Bytes from one vertical coefficient of a quad's pixels to the next; of six. */
export const lineBytes: usize = 2112;
const linesBytes: usize = 6 * lineBytes;
/** Bytes from one coefficient of a quad's tiles to the next. */
export const tileBytes: usize = 576;
const halfRoot: f32 = 0.7071067811865476;
const root: f32 = 1.4142135623730951;

@unmanaged
class Winograd2dArgs {
  input: Input;
  output: Output;
  /** Of the output. */
  height: i32;
  width: i32;
  paddingY: i32;
  paddingX: i32;
  /** Rows of tiles in an image, in all images, in a chunk. */
  perImage: i32;
  total: i32;
  perChunk: i32;
  /** Tiles in a strip, at most. */
  strip: i32;
  weights: usize;
  /** Of one of the 36 coefficients. */
  weightBytes: usize;
  /** Parts of `local`: packed input rows, columns transformed, tiles, products, and columns to transform back. */
  rows: usize;
  columns: usize;
  tiles: usize;
  products: usize;
  results: usize;
  /** Ones for all channels, and four rows of output that is not wanted; zeros for all channels are at the start. */
  ones: usize;
  spare: usize;
  /** Where the input quads lie in `tiles`. */
  table: Ints;
}

/** `Bᵀ·v`, results `step` bytes apart. */
// @ts-ignore: decorator
@inline
function forth(v0: v128, v1: v128, v2: v128, v3: v128, v4: v128, v5: v128, to: usize, step: usize): void {
  const minus = f32x4.splat(-2.5);
  const minusTwo = f32x4.splat(-2);
  const minusHalf = f32x4.splat(-0.5);
  v128.store(to, madd(minus, v2, f32x4.add(v0, v4)));
  v128.store(to + 5 * step, madd(minus, v3, f32x4.add(v1, v5)));
  const a = madd(minusTwo, v2, v4);
  const b = f32x4.mul(f32x4.splat(halfRoot), madd(minusTwo, v1, v3));
  v128.store(to + step, f32x4.add(a, b));
  v128.store(to + 2 * step, f32x4.sub(a, b));
  const c = madd(minusHalf, v2, v4);
  const e = f32x4.mul(f32x4.splat(root), madd(minusHalf, v1, v3));
  v128.store(to + 3 * step, f32x4.add(c, e));
  v128.store(to + 4 * step, f32x4.sub(c, e));
}

/** Six rows of `count` pixels, quads `quad` bytes apart, down the columns. */
function transformColumns(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  pixel: usize,
  quad: usize,
  quads: i32,
  count: i32,
  to: usize,
): void {
  const end = to + (quads as usize) * linesBytes;
  for (let i = 0; i < count; i++) {
    let at: usize = 0;
    for (let dst = to; dst < end; dst += linesBytes) {
      forth(
        v128.load(x0 + at),
        v128.load(x1 + at),
        v128.load(x2 + at),
        v128.load(x3 + at),
        v128.load(x4 + at),
        v128.load(x5 + at),
        dst + ((i as usize) << 4),
        lineBytes,
      );
      at += quad;
    }
    x0 += pixel;
    x1 += pixel;
    x2 += pixel;
    x3 += pixel;
    x4 += pixel;
    x5 += pixel;
  }
}

/** The six rows from `top` of `count` pixels from `left`, all inside, as they lie or after prologue and padding. */
function readRows(input: Input, image: usize, top: i32, left: i32, count: i32, rows: usize, to: usize): void {
  const quads = (input.channels + 3) >> 2;
  const row = input.row;
  const pixel = input.pixel;
  let x = image + (top as usize) * row + (left as usize) * pixel;
  const plain = !input.scale && !input.slope && !(input.channels & 3);
  if (plain && top >= 0 && top + 6 <= input.height) {
    transformColumns(x, x + row, x + 2 * row, x + 3 * row, x + 4 * row, x + 5 * row, pixel, 16, quads, count, to);
    return;
  }
  const bytes = (quads as usize) * lineBytes;
  for (let k = 0; k < 6; k++) {
    const dst = rows + (k as usize) * bytes;
    if (<u32>(top + k) < <u32>input.height) packPixels(input, 0, x, pixel, count, dst, lineBytes);
    else packZeros(input, count, dst, lineBytes);
    x += row;
  }
  transformColumns(
    rows,
    rows + bytes,
    rows + 2 * bytes,
    rows + 3 * bytes,
    rows + 4 * bytes,
    rows + 5 * bytes,
    16,
    lineBytes,
    quads,
    count,
    to,
  );
}

/** Columns of a strip of `tiles` tiles from output `(4·row, 4·first)`. */
function readStrip(
  input: Input,
  a: Winograd2dArgs,
  image: usize,
  row: i32,
  first: i32,
  tiles: i32,
  rows: usize,
  to: usize,
): void {
  const left = 4 * first - a.paddingX;
  const total = 4 * tiles + 2;
  const before = min(total, max(0, -left));
  const until = max(before, min(total, input.width - left));
  const lines = 6 * ((input.channels + 3) >> 2);
  if (before > 0 || until < total) {
    let line = to;
    for (let i = 0; i < lines; i++) {
      memory.fill(line, 0, (before as usize) << 4);
      memory.fill(line + ((until as usize) << 4), 0, ((total - until) as usize) << 4);
      line += lineBytes;
    }
  }
  const at = to + ((before as usize) << 4);
  readRows(input, image, 4 * row - a.paddingY, left + before, until - before, rows, at);
}

/** Along the rows of one vertical coefficient. */
function transformRows(from: usize, quads: i32, count: i32, to: usize): void {
  for (let q = 0; q < quads; q++) {
    const end = to + ((count as usize) << 4);
    let x = from;
    for (let dst = to; dst < end; dst += 16) {
      forth(
        v128.load(x),
        v128.load(x, 16),
        v128.load(x, 32),
        v128.load(x, 48),
        v128.load(x, 64),
        v128.load(x, 80),
        dst,
        tileBytes,
      );
      x += 64;
    }
    from += linesBytes;
    to += 6 * tileBytes;
  }
}

/** `Aᵀ·m` along the rows: four pixels for each tile. */
function returnRows(m: usize, quads: i32, count: i32, to: usize): void {
  for (let q = 0; q < quads; q++) {
    const end = m + ((count as usize) << 4);
    let dst = to;
    for (let from = m; from < end; from += 16) {
      const m1 = v128.load(from, tileBytes);
      const m2 = v128.load(from, 2 * tileBytes);
      const m3 = v128.load(from, 3 * tileBytes);
      const m4 = v128.load(from, 4 * tileBytes);
      const a = f32x4.add(m1, m2);
      const b = f32x4.sub(m1, m2);
      const c = f32x4.add(m3, m4);
      const e = f32x4.sub(m3, m4);
      v128.store(dst, madd(f32x4.splat(2), a, f32x4.add(v128.load(from), c)));
      v128.store(dst, f32x4.mul(f32x4.splat(root), f32x4.add(b, e)), 16);
      v128.store(dst, madd(f32x4.splat(2), c, a), 32);
      const f = madd(f32x4.splat(4), e, b);
      v128.store(dst, madd(f32x4.splat(halfRoot), f, v128.load(from, 5 * tileBytes)), 48);
      dst += 64;
    }
    m += planeBytes;
    to += linesBytes;
  }
}

// @ts-ignore: decorator
@inline
function write(y: usize, v: v128, bias: v128, slope: v128, r: usize, activate: bool, add: bool, rest: i32): void {
  if (activate) v = prelu4(f32x4.add(v, bias), slope);
  if (add) v = f32x4.add(v, v128.load(r));
  if (rest >= 4) v128.store(y, v);
  else storeLanes(y, v, rest);
}

/** `Aᵀ·q` up the columns of one quad, and the epilogue. `y…`, `r…`: four rows. */
// @ts-ignore: decorator
@inline
function returnColumns(
  q: usize,
  count: i32,
  y0: usize,
  y1: usize,
  y2: usize,
  y3: usize,
  pixel: usize,
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
  rPixel: usize,
  bias: v128,
  slope: v128,
  activate: bool,
  add: bool,
  rest: i32,
): void {
  const end = q + ((count as usize) << 4);
  while (q < end) {
    const m1 = v128.load(q, lineBytes);
    const m2 = v128.load(q, 2 * lineBytes);
    const m3 = v128.load(q, 3 * lineBytes);
    const m4 = v128.load(q, 4 * lineBytes);
    const a = f32x4.add(m1, m2);
    const b = f32x4.sub(m1, m2);
    const c = f32x4.add(m3, m4);
    const e = f32x4.sub(m3, m4);
    const v0 = madd(f32x4.splat(2), a, f32x4.add(v128.load(q), c));
    write(y0, v0, bias, slope, r0, activate, add, rest);
    const v1 = f32x4.mul(f32x4.splat(root), f32x4.add(b, e));
    write(y1, v1, bias, slope, r1, activate, add, rest);
    write(y2, madd(f32x4.splat(2), c, a), bias, slope, r2, activate, add, rest);
    const f = madd(f32x4.splat(4), e, b);
    const v3 = madd(f32x4.splat(halfRoot), f, v128.load(q, 5 * lineBytes));
    write(y3, v3, bias, slope, r3, activate, add, rest);
    q += 16;
    y0 += pixel;
    y1 += pixel;
    y2 += pixel;
    y3 += pixel;
    if (add) {
      r0 += rPixel;
      r1 += rPixel;
      r2 += rPixel;
      r3 += rPixel;
    }
  }
}

/** Outputs of a strip from `(4·row, 4·first)`; rows below the image go to `spare`. */
// @ts-ignore: decorator
@inline
function writeStrip(
  output: Output,
  a: Winograd2dArgs,
  image: usize,
  row: i32,
  first: i32,
  tiles: i32,
  local: usize,
  activate: bool,
  add: bool,
): void {
  const count = min(4 * tiles, a.width - 4 * first);
  const rows = a.height - 4 * row;
  const spare = local + a.spare;
  const biases = output.bias ? output.bias : local;
  const slopes = output.slope ? output.slope : local + a.ones;
  const y = output.y + image * output.image + ((4 * row) as usize) * output.row + ((4 * first) as usize) * output.pixel;
  const r =
    output.residual +
    image * output.residualImage +
    ((4 * row) as usize) * output.residualRow +
    ((4 * first) as usize) * output.residualPixel;
  let q = local + a.results;
  for (let c = 0; c < output.channels; c += 4) {
    const at = (c as usize) << 2;
    const bias = activate ? v128.load(biases + at) : f32x4.splat(0);
    const slope = activate ? v128.load(slopes + at) : f32x4.splat(0);
    const y0 = y + at;
    const y1 = rows > 1 ? y0 + output.row : spare;
    const y2 = rows > 2 ? y0 + 2 * output.row : spare;
    const y3 = rows > 3 ? y0 + 3 * output.row : spare;
    const r0 = r + at;
    const r1 = rows > 1 ? r0 + output.residualRow : r0;
    const r2 = rows > 2 ? r0 + 2 * output.residualRow : r0;
    const r3 = rows > 3 ? r0 + 3 * output.residualRow : r0;
    const step = output.pixel;
    const rStep = output.residualPixel;
    const rest = output.channels - c;
    if (rest >= 4) {
      returnColumns(q, count, y0, y1, y2, y3, step, r0, r1, r2, r3, rStep, bias, slope, activate, add, 4);
    } else {
      returnColumns(q, count, y0, y1, y2, y3, step, r0, r1, r2, r3, rStep, bias, slope, activate, add, rest);
    }
    q += linesBytes;
  }
}

/** Forward, or with respect to the input. */
export function convWinograd2d(a: Winograd2dArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const output = a.output;
  const inQuads = (input.channels + 3) >> 2;
  const outQuads = (output.channels + 3) >> 2;
  const columns = local + a.columns;
  const tiles = local + a.tiles;
  const products = local + a.products;
  const results = local + a.results;
  const table = a.table;
  const across = (a.width + 3) >> 2;
  const to = min((chunk + 1) * a.perChunk, a.total);
  memory.fill(local, 0, a.ones);
  for (let at: usize = 0; at < a.ones; at += 4) store<f32>(local + a.ones + at, 1);
  for (let i = chunk * a.perChunk; i < to; i++) {
    const n = i / a.perImage;
    const row = i - n * a.perImage;
    const image = n as usize;
    for (let first = 0; first < across; first += a.strip) {
      const count = min(a.strip, across - first);
      readStrip(input, a, input.x + image * input.image, row, first, count, local + a.rows, columns);
      let w = a.weights;
      for (let line: usize = 0; line < linesBytes; line += lineBytes) {
        transformRows(columns + line, inQuads, count, tiles);
        for (let k: usize = 0; k < 6 * tileBytes; k += tileBytes) {
          multiplyPlanes(table, inQuads, tiles + k, w, outQuads, count, products + k);
          w += a.weightBytes;
        }
        returnRows(products, outQuads, count, results + line);
      }
      if (output.bias || output.slope) {
        if (output.residual) writeStrip(output, a, image, row, first, count, local, true, true);
        else writeStrip(output, a, image, row, first, count, local, true, false);
      } else {
        if (output.residual) writeStrip(output, a, image, row, first, count, local, false, true);
        else writeStrip(output, a, image, row, first, count, local, false, false);
      }
    }
  }
}
