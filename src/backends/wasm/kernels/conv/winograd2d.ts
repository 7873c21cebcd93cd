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

import { is, madd, No, prelu4, Yes } from '../lanes';
import { Ints } from '../tables';
import { multiplyPlanes, planeBytes } from './gemm';
import { Input, packPixels, packZeros } from './input';
import { Output, storeBoth, storeEight } from './output';

/** Bytes from one vertical coefficient of the pixels of a plane to the next; of six. */
export const lineBytes: usize = 4224;
const linesBytes: usize = 6 * lineBytes;
/** Bytes from one coefficient of the tiles of a plane to the next. */
export const tileBytes: usize = 1152;
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
  /** Where the quads of inputs lie in `tiles`. */
  table: Ints;
}

/** `Bᵀ·v` of eight channels, in pairs for 256 bits; inputs `x…`, results `step` bytes apart. */
// @ts-ignore: decorator
@inline
function forth(x0: usize, x1: usize, x2: usize, x3: usize, x4: usize, x5: usize, to: usize, step: usize): void {
  const a0 = v128.load(x0);
  const b0 = v128.load(x0, 16);
  const a1 = v128.load(x1);
  const b1 = v128.load(x1, 16);
  const a2 = v128.load(x2);
  const b2 = v128.load(x2, 16);
  const a3 = v128.load(x3);
  const b3 = v128.load(x3, 16);
  const a4 = v128.load(x4);
  const b4 = v128.load(x4, 16);
  const a5 = v128.load(x5);
  const b5 = v128.load(x5, 16);
  storeBoth(to, edge(a0, a2, a4), edge(b0, b2, b4));
  storeBoth(to + 5 * step, edge(a1, a3, a5), edge(b1, b3, b5));
  const minusTwo = f32x4.splat(-2);
  const half = f32x4.splat(halfRoot);
  const pa = madd(minusTwo, a2, a4);
  const pb = madd(minusTwo, b2, b4);
  const qa = f32x4.mul(half, madd(minusTwo, a1, a3));
  const qb = f32x4.mul(half, madd(minusTwo, b1, b3));
  storeBoth(to + step, f32x4.add(pa, qa), f32x4.add(pb, qb));
  storeBoth(to + 2 * step, f32x4.sub(pa, qa), f32x4.sub(pb, qb));
  const minusHalf = f32x4.splat(-0.5);
  const whole = f32x4.splat(root);
  const ra = madd(minusHalf, a2, a4);
  const rb = madd(minusHalf, b2, b4);
  const sa = f32x4.mul(whole, madd(minusHalf, a1, a3));
  const sb = f32x4.mul(whole, madd(minusHalf, b1, b3));
  storeBoth(to + 3 * step, f32x4.add(ra, sa), f32x4.add(rb, sb));
  storeBoth(to + 4 * step, f32x4.sub(ra, sa), f32x4.sub(rb, sb));
}

/** The first and the last row of `Bᵀ`. */
// @ts-ignore: decorator
@inline
function edge(u: v128, v: v128, w: v128): v128 {
  return madd(f32x4.splat(-2.5), v, f32x4.add(u, w));
}

/** Six rows of `count` pixels, runs of eight channels `plane` bytes apart, down the columns. */
function transformColumns(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  pixel: usize,
  plane: usize,
  octs: i32,
  count: i32,
  to: usize,
): void {
  const end = to + (octs as usize) * linesBytes;
  for (let i = 0; i < count; i++) {
    let at: usize = 0;
    for (let dst = to; dst < end; dst += linesBytes) {
      forth(x0 + at, x1 + at, x2 + at, x3 + at, x4 + at, x5 + at, dst + ((i as usize) << 5), lineBytes);
      at += plane;
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
  const octs = (input.channels + 7) >> 3;
  const row = input.row;
  const pixel = input.pixel;
  let x = image + (top as usize) * row + (left as usize) * pixel;
  const plain = !input.scale && !input.slope && !(input.channels & 3);
  if (plain && top >= 0 && top + 6 <= input.height) {
    transformColumns(x, x + row, x + 2 * row, x + 3 * row, x + 4 * row, x + 5 * row, pixel, 32, octs, count, to);
    return;
  }
  const bytes = (octs as usize) * lineBytes;
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
    32,
    lineBytes,
    octs,
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
  const lines = 6 * ((input.channels + 7) >> 3);
  if (before > 0 || until < total) {
    let line = to;
    for (let i = 0; i < lines; i++) {
      memory.fill(line, 0, (before as usize) << 5);
      memory.fill(line + ((until as usize) << 5), 0, ((total - until) as usize) << 5);
      line += lineBytes;
    }
  }
  const at = to + ((before as usize) << 5);
  readRows(input, image, 4 * row - a.paddingY, left + before, until - before, rows, at);
}

/** Along the rows of one vertical coefficient. */
function transformRows(from: usize, octs: i32, count: i32, to: usize): void {
  for (let o = 0; o < octs; o++) {
    const end = to + ((count as usize) << 5);
    let x = from;
    for (let dst = to; dst < end; dst += 32) {
      forth(x, x + 32, x + 64, x + 96, x + 128, x + 160, dst, tileBytes);
      x += 128;
    }
    from += linesBytes;
    to += 6 * tileBytes;
  }
}

/** `m0 + c + 2a`, the first row of `Aᵀ`. */
// @ts-ignore: decorator
@inline
function firstOf(m0: v128, a: v128, c: v128): v128 {
  return madd(f32x4.splat(2), a, f32x4.add(m0, c));
}

/** The last row of `Aᵀ`. */
// @ts-ignore: decorator
@inline
function lastOf(m5: v128, b: v128, e: v128): v128 {
  return madd(f32x4.splat(halfRoot), madd(f32x4.splat(4), e, b), m5);
}

/** `Aᵀ·m` along the rows: four pixels for each tile. */
function returnRows(m: usize, octs: i32, count: i32, to: usize): void {
  const two = f32x4.splat(2);
  const whole = f32x4.splat(root);
  for (let o = 0; o < octs; o++) {
    const end = m + ((count as usize) << 5);
    let dst = to;
    for (let from = m; from < end; from += 32) {
      const p0 = v128.load(from);
      const q0 = v128.load(from, 16);
      const p1 = v128.load(from, tileBytes);
      const q1 = v128.load(from, tileBytes + 16);
      const p2 = v128.load(from, 2 * tileBytes);
      const q2 = v128.load(from, 2 * tileBytes + 16);
      const p3 = v128.load(from, 3 * tileBytes);
      const q3 = v128.load(from, 3 * tileBytes + 16);
      const p4 = v128.load(from, 4 * tileBytes);
      const q4 = v128.load(from, 4 * tileBytes + 16);
      const p5 = v128.load(from, 5 * tileBytes);
      const q5 = v128.load(from, 5 * tileBytes + 16);
      const pa = f32x4.add(p1, p2);
      const qa = f32x4.add(q1, q2);
      const pb = f32x4.sub(p1, p2);
      const qb = f32x4.sub(q1, q2);
      const pc = f32x4.add(p3, p4);
      const qc = f32x4.add(q3, q4);
      const pe = f32x4.sub(p3, p4);
      const qe = f32x4.sub(q3, q4);
      storeBoth(dst, firstOf(p0, pa, pc), firstOf(q0, qa, qc));
      storeBoth(dst + 32, f32x4.mul(whole, f32x4.add(pb, pe)), f32x4.mul(whole, f32x4.add(qb, qe)));
      storeBoth(dst + 64, madd(two, pc, pa), madd(two, qc, qa));
      storeBoth(dst + 96, lastOf(p5, pb, pe), lastOf(q5, qb, qe));
      dst += 128;
    }
    m += planeBytes;
    to += linesBytes;
  }
}

// @ts-ignore: decorator
@inline
function write<Activate, Add, Some>(
  y: usize,
  low: v128,
  high: v128,
  biasA: v128,
  biasB: v128,
  slopeA: v128,
  slopeB: v128,
  r: usize,
  rest: i32,
): void {
  if (is<Activate>()) {
    low = prelu4(f32x4.add(low, biasA), slopeA);
    high = prelu4(f32x4.add(high, biasB), slopeB);
  }
  if (is<Add>()) {
    low = f32x4.add(low, v128.load(r));
    high = f32x4.add(high, v128.load(r, 16));
  }
  if (is<Some>()) storeEight(y, low, high, rest);
  else storeBoth(y, low, high);
}

/** `Aᵀ·q` up the columns of eight channels, and the epilogue. `y…`, `r…`: four rows. */
function returnColumns<Activate, Add, Some>(
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
  bias: usize,
  slope: usize,
  rest: i32,
): void {
  const none = f32x4.splat(0);
  const biasA = is<Activate>() ? v128.load(bias) : none;
  const biasB = is<Activate>() ? v128.load(bias, 16) : none;
  const slopeA = is<Activate>() ? v128.load(slope) : none;
  const slopeB = is<Activate>() ? v128.load(slope, 16) : none;
  const two = f32x4.splat(2);
  const whole = f32x4.splat(root);
  const end = q + ((count as usize) << 5);
  while (q < end) {
    const p0 = v128.load(q);
    const q0 = v128.load(q, 16);
    const p1 = v128.load(q, lineBytes);
    const q1 = v128.load(q, lineBytes + 16);
    const p2 = v128.load(q, 2 * lineBytes);
    const q2 = v128.load(q, 2 * lineBytes + 16);
    const p3 = v128.load(q, 3 * lineBytes);
    const q3 = v128.load(q, 3 * lineBytes + 16);
    const p4 = v128.load(q, 4 * lineBytes);
    const q4 = v128.load(q, 4 * lineBytes + 16);
    const p5 = v128.load(q, 5 * lineBytes);
    const q5 = v128.load(q, 5 * lineBytes + 16);
    const pa = f32x4.add(p1, p2);
    const qa = f32x4.add(q1, q2);
    const pb = f32x4.sub(p1, p2);
    const qb = f32x4.sub(q1, q2);
    const pc = f32x4.add(p3, p4);
    const qc = f32x4.add(q3, q4);
    const pe = f32x4.sub(p3, p4);
    const qe = f32x4.sub(q3, q4);
    write<Activate, Add, Some>(y0, firstOf(p0, pa, pc), firstOf(q0, qa, qc), biasA, biasB, slopeA, slopeB, r0, rest);
    const low = f32x4.mul(whole, f32x4.add(pb, pe));
    const high = f32x4.mul(whole, f32x4.add(qb, qe));
    write<Activate, Add, Some>(y1, low, high, biasA, biasB, slopeA, slopeB, r1, rest);
    write<Activate, Add, Some>(y2, madd(two, pc, pa), madd(two, qc, qa), biasA, biasB, slopeA, slopeB, r2, rest);
    write<Activate, Add, Some>(y3, lastOf(p5, pb, pe), lastOf(q5, qb, qe), biasA, biasB, slopeA, slopeB, r3, rest);
    q += 32;
    y0 += pixel;
    y1 += pixel;
    y2 += pixel;
    y3 += pixel;
    if (is<Add>()) {
      r0 += rPixel;
      r1 += rPixel;
      r2 += rPixel;
      r3 += rPixel;
    }
  }
}

/** Outputs of a strip from `(4·row, 4·first)`; rows below the image go to `spare`. */
function writeStrip<Activate, Add>(
  output: Output,
  a: Winograd2dArgs,
  image: usize,
  row: i32,
  first: i32,
  tiles: i32,
  local: usize,
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
  for (let c = 0; c < output.channels; c += 8) {
    const at = (c as usize) << 2;
    const bias = biases + at;
    const slope = slopes + at;
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
    if (rest >= 8) {
      returnColumns<Activate, Add, No>(q, count, y0, y1, y2, y3, step, r0, r1, r2, r3, rStep, bias, slope, 8);
    } else {
      returnColumns<Activate, Add, Yes>(q, count, y0, y1, y2, y3, step, r0, r1, r2, r3, rStep, bias, slope, rest);
    }
    q += linesBytes;
  }
}

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
        transformRows(columns + line, octs, count, tiles);
        for (let k: usize = 0; k < 6 * tileBytes; k += tileBytes) {
          multiplyPlanes(table, inQuads, tiles + k, w, outOcts, count, products + k);
          w += a.weightBytes;
        }
        returnRows(products, outOcts, count, results + line);
      }
      if (output.bias || output.slope) {
        if (output.residual) writeStrip<Yes, Yes>(output, a, image, row, first, count, local);
        else writeStrip<Yes, No>(output, a, image, row, first, count, local);
      } else {
        if (output.residual) writeStrip<No, Yes>(output, a, image, row, first, count, local);
        else writeStrip<No, No>(output, a, image, row, first, count, local);
      }
    }
  }
}
