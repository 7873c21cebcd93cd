/** Register blocks of 16 outputs, for 256 bits. */
import { madd, No } from '../lanes';
import { inSixes, tall } from '../width';
import { ImageBlock, write } from './imageBlock';

/** 4 pixels × 16 outputs; `rest`: of the last 8 outputs. `at`: bytes before the first pixel in a row of taps. */
function multiply4x16<Activate, Some>(
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
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  let d3 = f32x4.splat(0);
  let u = w + k.second;
  const turn = k.turn;
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
      const w2 = v128.load(u);
      const w3 = v128.load(u, 16);
      const v0 = v128.load32_splat(x0);
      const v1 = v128.load32_splat(x1);
      const v2 = v128.load32_splat(x2);
      const v3 = v128.load32_splat(x3);
      a0 = madd(v0, w0, a0);
      b0 = madd(v0, w1, b0);
      c0 = madd(v0, w2, c0);
      d0 = madd(v0, w3, d0);
      a1 = madd(v1, w0, a1);
      b1 = madd(v1, w1, b1);
      c1 = madd(v1, w2, c1);
      d1 = madd(v1, w3, d1);
      a2 = madd(v2, w0, a2);
      b2 = madd(v2, w1, b2);
      c2 = madd(v2, w2, c2);
      d2 = madd(v2, w3, d2);
      a3 = madd(v3, w0, a3);
      b3 = madd(v3, w1, b3);
      c3 = madd(v3, w2, c3);
      d3 = madd(v3, w3, d3);
      x0 += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      w += turn;
      u += turn;
    }
  }
  write<Activate, No>(y, a0, b0, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c0, d0, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  write<Activate, No>(y, a1, b1, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c1, d1, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  write<Activate, No>(y, a2, b2, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c2, d2, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  write<Activate, No>(y, a3, b3, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c3, d3, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
}

/** The same for 6 pixels. */
function multiply6x16<Activate, Some>(
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
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  let c4 = f32x4.splat(0);
  let c5 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  let d3 = f32x4.splat(0);
  let d4 = f32x4.splat(0);
  let d5 = f32x4.splat(0);
  let u = w + k.second;
  const turn = k.turn;
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
      const w2 = v128.load(u);
      const w3 = v128.load(u, 16);
      const v0 = v128.load32_splat(x0);
      const v1 = v128.load32_splat(x1);
      const v2 = v128.load32_splat(x2);
      const v3 = v128.load32_splat(x3);
      const v4 = v128.load32_splat(x4);
      const v5 = v128.load32_splat(x5);
      a0 = madd(v0, w0, a0);
      b0 = madd(v0, w1, b0);
      c0 = madd(v0, w2, c0);
      d0 = madd(v0, w3, d0);
      a1 = madd(v1, w0, a1);
      b1 = madd(v1, w1, b1);
      c1 = madd(v1, w2, c1);
      d1 = madd(v1, w3, d1);
      a2 = madd(v2, w0, a2);
      b2 = madd(v2, w1, b2);
      c2 = madd(v2, w2, c2);
      d2 = madd(v2, w3, d2);
      a3 = madd(v3, w0, a3);
      b3 = madd(v3, w1, b3);
      c3 = madd(v3, w2, c3);
      d3 = madd(v3, w3, d3);
      a4 = madd(v4, w0, a4);
      b4 = madd(v4, w1, b4);
      c4 = madd(v4, w2, c4);
      d4 = madd(v4, w3, d4);
      a5 = madd(v5, w0, a5);
      b5 = madd(v5, w1, b5);
      c5 = madd(v5, w2, c5);
      d5 = madd(v5, w3, d5);
      x0 += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      x4 += 4;
      x5 += 4;
      w += turn;
      u += turn;
    }
  }
  write<Activate, No>(y, a0, b0, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c0, d0, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  write<Activate, No>(y, a1, b1, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c1, d1, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  write<Activate, No>(y, a2, b2, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c2, d2, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  write<Activate, No>(y, a3, b3, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c3, d3, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 5) return;
  y += k.yStep;
  write<Activate, No>(y, a4, b4, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c4, d4, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
  if (count < 6) return;
  y += k.yStep;
  write<Activate, No>(y, a5, b5, bias, slope, 8, 0);
  write<Activate, Some>(y + 32, c5, d5, bias + k.biasStep, slope + k.slopeStep, rest, k.spare);
}

/** Sixteen outputs of `count` pixels. */
export function multiply16<Activate, Some>(
  k: ImageBlock,
  at: usize,
  w: usize,
  y: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  if (tall) {
    const sixes = inSixes(count);
    for (let p = 0; p < sixes; p += 6) {
      multiply6x16<Activate, Some>(k, at, w, y, bias, slope, count - p, rest);
      at += 6 * k.xStep;
      y += 6 * k.yStep;
    }
    count -= sixes;
  }
  for (; count > 0; count -= 4) {
    multiply4x16<Activate, Some>(k, at, w, y, bias, slope, count, rest);
    at += k.xStep << 2;
    y += k.yStep << 2;
  }
}
