/** Register blocks of 16 outputs, for 256 bits. */
import { madd, No } from '../lanes';
import { inSixes, tall } from '../width';
import { PointBlock, write } from './pointBlock';

/** 4 pixels × 16 outputs; `rest`: channels from the last eight on. Pixels past `count` are computed in vain. */
// @ts-ignore: decorator
@inline
function point4x16<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
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
  let x0 = x;
  let x1 = count > 1 ? x0 + k.xStep : x0;
  let x2 = count > 2 ? x1 + k.xStep : x0;
  let x3 = count > 3 ? x2 + k.xStep : x0;
  let u = w + k.second;
  const turn = k.turn;
  const end = x + k.inputBytes;
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
  write<Add, No>(y, a0, b0, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c0, d0, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a1, b1, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c1, d1, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a2, b2, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c2, d2, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a3, b3, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c3, d3, bias + 32, slope + 32, r + 32, rest, k.spare);
}

/** 6 pixels × 16 outputs. */
// @ts-ignore: decorator
@inline
function point6x16<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
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
  let x0 = x;
  let x1 = count > 1 ? x0 + k.xStep : x0;
  let x2 = count > 2 ? x1 + k.xStep : x0;
  let x3 = count > 3 ? x2 + k.xStep : x0;
  let x4 = count > 4 ? x3 + k.xStep : x0;
  let x5 = count > 5 ? x4 + k.xStep : x0;
  let u = w + k.second;
  const turn = k.turn;
  const end = x + k.inputBytes;
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
  write<Add, No>(y, a0, b0, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c0, d0, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 2) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a1, b1, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c1, d1, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 3) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a2, b2, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c2, d2, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 4) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a3, b3, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c3, d3, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 5) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a4, b4, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c4, d4, bias + 32, slope + 32, r + 32, rest, k.spare);
  if (count < 6) return;
  y += k.yStep;
  r += k.rStep;
  write<Add, No>(y, a5, b5, bias, slope, r, 8, 0);
  write<Add, Some>(y + 32, c5, d5, bias + 32, slope + 32, r + 32, rest, k.spare);
}

/** 16 outputs of `count` pixels. */
export function points16<Add, Some>(
  k: PointBlock,
  x: usize,
  w: usize,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
  count: i32,
  rest: i32,
): void {
  let p = 0;
  for (const sixes = tall ? inSixes(count) : 0; p < sixes; p += 6) {
    const i = p as usize;
    point6x16<Add, Some>(k, x + i * k.xStep, w, y + i * k.yStep, r + i * k.rStep, bias, slope, count - p, rest);
  }
  for (; p < count; p += 4) {
    const i = p as usize;
    point4x16<Add, Some>(k, x + i * k.xStep, w, y + i * k.yStep, r + i * k.rStep, bias, slope, count - p, rest);
  }
}
