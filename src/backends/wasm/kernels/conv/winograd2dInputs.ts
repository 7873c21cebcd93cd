/** The input side of `winograd2d.ts`: down the columns of a strip, then along its rows. */

import { madd, storeBoth } from '../lanes';
import { Input, laneMask, packPixels, packZeros } from './input';
import { lineBytes, linesBytes, tileBytes, Winograd2dArgs } from './winograd2dArgs';

/** `Bᵀ·v` of eight channels, in pairs for 256 bits; inputs `x…`, results `step` bytes apart. */
// @ts-ignore: decorator
@inline
function forth(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  outer: v128,
  minusTwo: v128,
  half: v128,
  minusHalf: v128,
  whole: v128,
  to: usize,
  step: usize,
): void {
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
  storeBoth(to, edge(outer, a0, a2, a4), edge(outer, b0, b2, b4));
  storeBoth(to + 5 * step, edge(outer, a1, a3, a5), edge(outer, b1, b3, b5));
  const pa = madd(minusTwo, a2, a4);
  const pb = madd(minusTwo, b2, b4);
  const qa = f32x4.mul(half, madd(minusTwo, a1, a3));
  const qb = f32x4.mul(half, madd(minusTwo, b1, b3));
  storeBoth(to + step, f32x4.add(pa, qa), f32x4.add(pb, qb));
  storeBoth(to + 2 * step, f32x4.sub(pa, qa), f32x4.sub(pb, qb));
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
function edge(outer: v128, u: v128, v: v128, w: v128): v128 {
  return madd(outer, v, f32x4.add(u, w));
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
  constants: usize,
  to: usize,
): void {
  const outer = v128.load32_splat(constants);
  const minusTwo = v128.load32_splat(constants, 4);
  const half = v128.load32_splat(constants, 8);
  const minusHalf = v128.load32_splat(constants, 12);
  const whole = v128.load32_splat(constants, 16);
  const end = to + (octs as usize) * linesBytes;
  for (let i = 0; i < count; i++) {
    let at: usize = 0;
    for (let dst = to; dst < end; dst += linesBytes) {
      forth(
        x0 + at,
        x1 + at,
        x2 + at,
        x3 + at,
        x4 + at,
        x5 + at,
        outer,
        minusTwo,
        half,
        minusHalf,
        whole,
        dst + ((i as usize) << 5),
        lineBytes,
      );
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

/**
 * Zeros in the lanes of the last four channels that do not exist, in all six lines of their eight: what pixels hold behind their
 * channels may be anything, and the products multiply it by zeros.
 */
function clearRest(channels: i32, count: i32, line: usize): void {
  const mask = laneMask(channels & 3);
  line += channels & 4 ? 16 : 0;
  for (let k = 0; k < 6; k++) {
    const end = line + ((count as usize) << 5);
    for (let at = line; at < end; at += 32) v128.store(at, v128.and(v128.load(at), mask));
    line += lineBytes;
  }
}

/** The six rows from `top` of `count` pixels from `left`, all inside, as they lie or after prologue and padding. */
function readRows(
  input: Input,
  image: usize,
  top: i32,
  left: i32,
  count: i32,
  constants: usize,
  rows: usize,
  to: usize,
): void {
  const octs = (input.channels + 7) >> 3;
  const row = input.row;
  const pixel = input.pixel;
  let x = image + (top as usize) * row + (left as usize) * pixel;
  const plain = !input.scale && !input.slope;
  if (plain && top >= 0 && top + 6 <= input.height) {
    transformColumns(
      x,
      x + row,
      x + 2 * row,
      x + 3 * row,
      x + 4 * row,
      x + 5 * row,
      pixel,
      32,
      octs,
      count,
      constants,
      to,
    );
    if (input.channels & 3) clearRest(input.channels, count, to + ((octs - 1) as usize) * linesBytes);
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
    constants,
    to,
  );
}

/** Columns of a strip of `tiles` tiles from output `(4·row, 4·first)`. */
export function readStrip(
  input: Input,
  a: Winograd2dArgs,
  image: usize,
  row: i32,
  first: i32,
  tiles: i32,
  constants: usize,
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
  readRows(input, image, 4 * row - a.paddingY, left + before, until - before, constants, rows, at);
}

/** Along the rows of one vertical coefficient. */
export function transformRows(from: usize, octs: i32, count: i32, constants: usize, to: usize): void {
  const outer = v128.load32_splat(constants);
  const minusTwo = v128.load32_splat(constants, 4);
  const half = v128.load32_splat(constants, 8);
  const minusHalf = v128.load32_splat(constants, 12);
  const whole = v128.load32_splat(constants, 16);
  for (let o = 0; o < octs; o++) {
    const end = to + ((count as usize) << 5);
    let x = from;
    for (let dst = to; dst < end; dst += 32) {
      forth(x, x + 32, x + 64, x + 96, x + 128, x + 160, outer, minusTwo, half, minusHalf, whole, dst, tileBytes);
      x += 128;
    }
    from += linesBytes;
    to += 6 * tileBytes;
  }
}
