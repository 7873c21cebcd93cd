/**
 * The two small matrix products every convolution here ends in. Both work on *planes*: runs of pixels (or Winograd
 * tiles), 4 channels each, so that every address is one pointer plus a constant.
 *
 * V8 puts all loads of a loop body before its arithmetic and leaves 15 vector registers: accumulators and loaded
 * values of one turn together must not be more. So the bodies stay small and are not unrolled (unrolled ones run at
 * half the speed, spilling), and 3 pixels × 12 outputs (9 + 3 + 3 registers) is the best shape.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */
import { madd } from '../lanes';

/** Bytes from one plane of outputs (or of output gradients) to the next: not a power of two, for the cache's sake. */
export const planeBytes: usize = 4992;

/** Each of the six coefficients of a plane of Winograd tiles is a run of this many tiles, these bytes apart. */
export const tilesPerBlock: i32 = 48;
export const coefficientBytes: usize = 832;

/**
 * `out[p][0..12) = Σᵢ Σⱼ a[tableᵢ][p][j] · w[i][j][0..12)` for 3 pixels `p` and 4 inputs `j` per entry of the table.
 * `out`: three planes.
 */
function multiply3x12(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 192;
    while (w < next) {
      const w0 = v128.load(w, 0);
      const w1 = v128.load(w, 16);
      const w2 = v128.load(w, 32);
      const x0 = v128.load32_splat(x, 0);
      const x1 = v128.load32_splat(x, 16);
      const x2 = v128.load32_splat(x, 32);
      a0 = madd(x0, w0, a0);
      b0 = madd(x0, w1, b0);
      c0 = madd(x0, w2, c0);
      a1 = madd(x1, w0, a1);
      b1 = madd(x1, w1, b1);
      c1 = madd(x1, w2, c1);
      a2 = madd(x2, w0, a2);
      b2 = madd(x2, w1, b2);
      c2 = madd(x2, w2, c2);
      x += 4;
      w += 48;
    }
    table += 4;
  }
  v128.store(out, a0, 0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
  v128.store(out, b0, planeBytes);
  v128.store(out, b1, planeBytes + 16);
  v128.store(out, b2, planeBytes + 32);
  v128.store(out, c0, 2 * planeBytes);
  v128.store(out, c1, 2 * planeBytes + 16);
  v128.store(out, c2, 2 * planeBytes + 32);
}

/** One step of a sum; `integers`: of products of 16-bit integers, two to a lane (`i16.ts`). */
// @ts-ignore: decorator
@inline
function accumulate(x: v128, w: v128, sum: v128, integers: bool): v128 {
  return integers ? i32x4.add(sum, i32x4.dot_i16x8_s(x, w)) : madd(x, w, sum);
}

/** The same for 4 pixels and 8 outputs. */
// @ts-ignore: decorator
@inline
export function product4x8(table: usize, count: i32, a: usize, w: usize, out: usize, integers: bool): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 128;
    while (w < next) {
      const w0 = v128.load(w, 0);
      const w1 = v128.load(w, 16);
      const x0 = v128.load32_splat(x, 0);
      const x1 = v128.load32_splat(x, 16);
      const x2 = v128.load32_splat(x, 32);
      const x3 = v128.load32_splat(x, 48);
      a0 = accumulate(x0, w0, a0, integers);
      b0 = accumulate(x0, w1, b0, integers);
      a1 = accumulate(x1, w0, a1, integers);
      b1 = accumulate(x1, w1, b1, integers);
      a2 = accumulate(x2, w0, a2, integers);
      b2 = accumulate(x2, w1, b2, integers);
      a3 = accumulate(x3, w0, a3, integers);
      b3 = accumulate(x3, w1, b3, integers);
      x += 4;
      w += 32;
    }
    table += 4;
  }
  v128.store(out, a0, 0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
  v128.store(out, a3, 48);
  v128.store(out, b0, planeBytes);
  v128.store(out, b1, planeBytes + 16);
  v128.store(out, b2, planeBytes + 32);
  v128.store(out, b3, planeBytes + 48);
}

/** The same for 6 pixels and 4 outputs. */
// @ts-ignore: decorator
@inline
export function product6x4(table: usize, count: i32, a: usize, w: usize, out: usize, integers: bool): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let a4 = f32x4.splat(0);
  let a5 = f32x4.splat(0);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 64;
    while (w < next) {
      const w0 = v128.load(w);
      const x0 = v128.load32_splat(x, 0);
      const x1 = v128.load32_splat(x, 16);
      const x2 = v128.load32_splat(x, 32);
      const x3 = v128.load32_splat(x, 48);
      const x4 = v128.load32_splat(x, 64);
      const x5 = v128.load32_splat(x, 80);
      a0 = accumulate(x0, w0, a0, integers);
      a1 = accumulate(x1, w0, a1, integers);
      a2 = accumulate(x2, w0, a2, integers);
      a3 = accumulate(x3, w0, a3, integers);
      a4 = accumulate(x4, w0, a4, integers);
      a5 = accumulate(x5, w0, a5, integers);
      x += 4;
      w += 16;
    }
    table += 4;
  }
  v128.store(out, a0, 0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
  v128.store(out, a3, 48);
  v128.store(out, a4, 64);
  v128.store(out, a5, 80);
}

function multiply4x8(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  product4x8(table, count, a, w, out, false);
}

function multiply6x4(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  product6x4(table, count, a, w, out, false);
}

/**
 * All outputs of `pixels` pixels (rounded up to a multiple of 12 at most): `out` planes = `a` planes × packed weights.
 * `w`: blocks of 12 outputs, the last one of 8 or 4 where that is enough (see `convPackWeights`).
 */
export function multiplyPlanes(
  table: usize,
  count: i32,
  a: usize,
  w: usize,
  quads: i32,
  pixels: i32,
  out: usize,
): void {
  const end = (pixels as usize) << 4;
  for (; quads >= 3; quads -= 3) {
    for (let p: usize = 0; p < end; p += 48) multiply3x12(table, count, a + p, w, out + p);
    w += (count as usize) * 192;
    out += 3 * planeBytes;
  }
  if (quads == 2) {
    for (let p: usize = 0; p < end; p += 64) multiply4x8(table, count, a + p, w, out + p);
  } else if (quads == 1) {
    for (let p: usize = 0; p < end; p += 96) multiply6x4(table, count, a + p, w, out + p);
  }
}

/** `out[j][0..8) += Σₚ x[p][j] · g[p][0..8)` for 4 inputs `j`; `g`: two planes, `out`: rows of `row` bytes. */
function outer4x8(x: usize, g: usize, count: i32, out: usize, row: usize): void {
  const o1 = out + row;
  const o2 = o1 + row;
  const o3 = o2 + row;
  let a0 = v128.load(out);
  let b0 = v128.load(out, 16);
  let a1 = v128.load(o1);
  let b1 = v128.load(o1, 16);
  let a2 = v128.load(o2);
  let b2 = v128.load(o2, 16);
  let a3 = v128.load(o3);
  let b3 = v128.load(o3, 16);
  const end = x + ((count as usize) << 4);
  while (x < end) {
    const g0 = v128.load(g, 0);
    const g1 = v128.load(g, planeBytes);
    let s = v128.load32_splat(x, 0);
    a0 = madd(s, g0, a0);
    b0 = madd(s, g1, b0);
    s = v128.load32_splat(x, 4);
    a1 = madd(s, g0, a1);
    b1 = madd(s, g1, b1);
    s = v128.load32_splat(x, 8);
    a2 = madd(s, g0, a2);
    b2 = madd(s, g1, b2);
    s = v128.load32_splat(x, 12);
    a3 = madd(s, g0, a3);
    b3 = madd(s, g1, b3);
    x += 16;
    g += 16;
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(o1, a1);
  v128.store(o1, b1, 16);
  v128.store(o2, a2);
  v128.store(o2, b2, 16);
  v128.store(o3, a3);
  v128.store(o3, b3, 16);
}

/** The same for 4 outputs. */
function outer4x4(x: usize, g: usize, count: i32, out: usize, row: usize): void {
  const o1 = out + row;
  const o2 = o1 + row;
  const o3 = o2 + row;
  let a0 = v128.load(out);
  let a1 = v128.load(o1);
  let a2 = v128.load(o2);
  let a3 = v128.load(o3);
  const end = x + ((count as usize) << 4);
  while (x < end) {
    const g0 = v128.load(g);
    a0 = madd(v128.load32_splat(x, 0), g0, a0);
    a1 = madd(v128.load32_splat(x, 4), g0, a1);
    a2 = madd(v128.load32_splat(x, 8), g0, a2);
    a3 = madd(v128.load32_splat(x, 12), g0, a3);
    x += 16;
    g += 16;
  }
  v128.store(out, a0);
  v128.store(o1, a1);
  v128.store(o2, a2);
  v128.store(o3, a3);
}

/** `out[j][0..4·quads) += Σₚ x[p][j] · g[p][·]` for the 4 inputs of one plane and all planes of `g`. */
export function outerPlanes(x: usize, g: usize, quads: i32, pixels: i32, out: usize): void {
  const row = (quads as usize) << 4;
  let q = 0;
  for (; q + 1 < quads; q += 2) {
    outer4x8(x, g, pixels, out, row);
    g += 2 * planeBytes;
    out += 32;
  }
  if (q < quads) outer4x4(x, g, pixels, out, row);
}
