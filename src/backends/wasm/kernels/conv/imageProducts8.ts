/** Register blocks of 8 outputs, for `imageProducts.ts`. */
import { madd } from '../lanes';
import { inSixes, tall, wide } from '../width';
import { ImageBlock, write } from './imageBlock';

/** 4 pixels × 8 outputs, of which `rest` are stored. `at`: bytes before the first pixel in a row of taps. */
function multiply4x8<Activate, Some>(
  k: ImageBlock,
  at: usize,
  w: usize,
  y: usize,
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
  const step = k.xStep;
  let line = k.rows;
  for (const last = line + ((k.lines as usize) << 2); line < last; line += 4) {
    let x0 = load<usize>(line) + at;
    let x1 = x0 + step;
    let x2 = x1 + step;
    let x3 = x2 + step;
    const end = x0 + k.lineBytes;
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
  }
  write<Activate, Some>(y, a0, b0, bias, slope, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  write<Activate, Some>(y, a1, b1, bias, slope, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  write<Activate, Some>(y, a2, b2, bias, slope, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  write<Activate, Some>(y, a3, b3, bias, slope, rest, k.spare);
}

/** The same for 6 pixels, for 256 bits. */
function multiply6x8<Activate, Some>(
  k: ImageBlock,
  at: usize,
  w: usize,
  y: usize,
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
  const step = k.xStep;
  let line = k.rows;
  for (const last = line + ((k.lines as usize) << 2); line < last; line += 4) {
    let x0 = load<usize>(line) + at;
    let x1 = x0 + step;
    let x2 = x1 + step;
    let x3 = x2 + step;
    let x4 = x3 + step;
    let x5 = x4 + step;
    const end = x0 + k.lineBytes;
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
  }
  write<Activate, Some>(y, a0, b0, bias, slope, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  write<Activate, Some>(y, a1, b1, bias, slope, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  write<Activate, Some>(y, a2, b2, bias, slope, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  write<Activate, Some>(y, a3, b3, bias, slope, rest, k.spare);
  if (count < 5) return;
  y += k.yStep;
  write<Activate, Some>(y, a4, b4, bias, slope, rest, k.spare);
  if (count < 6) return;
  y += k.yStep;
  write<Activate, Some>(y, a5, b5, bias, slope, rest, k.spare);
}

/** Bytes from pixel to pixel for which there is `multiply12x8`: two pixels of three floats. */
const pairBytes: usize = 24;

/** The same for 12 pixels that lie `pairBytes` apart, for 256 bits: one address for all. */
function multiply12x8<Activate, Some>(
  k: ImageBlock,
  at: usize,
  w: usize,
  y: usize,
  bias: usize,
  slope: usize,
  rest: i32,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let a4 = f32x4.splat(0);
  let a5 = f32x4.splat(0);
  let a6 = f32x4.splat(0);
  let a7 = f32x4.splat(0);
  let a8 = f32x4.splat(0);
  let a9 = f32x4.splat(0);
  let a10 = f32x4.splat(0);
  let a11 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let b4 = f32x4.splat(0);
  let b5 = f32x4.splat(0);
  let b6 = f32x4.splat(0);
  let b7 = f32x4.splat(0);
  let b8 = f32x4.splat(0);
  let b9 = f32x4.splat(0);
  let b10 = f32x4.splat(0);
  let b11 = f32x4.splat(0);
  let line = k.rows;
  for (const last = line + ((k.lines as usize) << 2); line < last; line += 4) {
    let x = load<usize>(line) + at;
    const end = x + k.lineBytes;
    while (x < end) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const v0 = v128.load32_splat(x, 0);
      a0 = madd(v0, w0, a0);
      b0 = madd(v0, w1, b0);
      const v1 = v128.load32_splat(x, 24);
      a1 = madd(v1, w0, a1);
      b1 = madd(v1, w1, b1);
      const v2 = v128.load32_splat(x, 48);
      a2 = madd(v2, w0, a2);
      b2 = madd(v2, w1, b2);
      const v3 = v128.load32_splat(x, 72);
      a3 = madd(v3, w0, a3);
      b3 = madd(v3, w1, b3);
      const v4 = v128.load32_splat(x, 96);
      a4 = madd(v4, w0, a4);
      b4 = madd(v4, w1, b4);
      const v5 = v128.load32_splat(x, 120);
      a5 = madd(v5, w0, a5);
      b5 = madd(v5, w1, b5);
      const v6 = v128.load32_splat(x, 144);
      a6 = madd(v6, w0, a6);
      b6 = madd(v6, w1, b6);
      const v7 = v128.load32_splat(x, 168);
      a7 = madd(v7, w0, a7);
      b7 = madd(v7, w1, b7);
      const v8 = v128.load32_splat(x, 192);
      a8 = madd(v8, w0, a8);
      b8 = madd(v8, w1, b8);
      const v9 = v128.load32_splat(x, 216);
      a9 = madd(v9, w0, a9);
      b9 = madd(v9, w1, b9);
      const v10 = v128.load32_splat(x, 240);
      a10 = madd(v10, w0, a10);
      b10 = madd(v10, w1, b10);
      const v11 = v128.load32_splat(x, 264);
      a11 = madd(v11, w0, a11);
      b11 = madd(v11, w1, b11);
      x += 4;
      w += 32;
    }
  }
  write<Activate, Some>(y, a0, b0, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a1, b1, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a2, b2, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a3, b3, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a4, b4, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a5, b5, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a6, b6, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a7, b7, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a8, b8, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a9, b9, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a10, b10, bias, slope, rest, k.spare);
  y += k.yStep;
  write<Activate, Some>(y, a11, b11, bias, slope, rest, k.spare);
}

/** Eight outputs of `count` pixels. */
export function multiply8<Activate, Some>(
  k: ImageBlock,
  at: usize,
  w: usize,
  y: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  if (wide && k.xStep == pairBytes) {
    for (; count >= 12; count -= 12) {
      multiply12x8<Activate, Some>(k, at, w, y, bias, slope, rest);
      at += 12 * k.xStep;
      y += 12 * k.yStep;
    }
  }
  if (wide || tall) {
    const sixes = inSixes(count);
    for (let p = 0; p < sixes; p += 6) {
      multiply6x8<Activate, Some>(k, at, w, y, bias, slope, count - p, rest);
      at += 6 * k.xStep;
      y += 6 * k.yStep;
    }
    count -= sixes;
  }
  for (; count > 0; count -= 4) {
    multiply4x8<Activate, Some>(k, at, w, y, bias, slope, count, rest);
    at += k.xStep << 2;
    y += k.yStep << 2;
  }
}
