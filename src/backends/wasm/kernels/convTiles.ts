/**
 * The two small matrix products every convolution here ends in. Both work on *planes*: runs of pixels (or Winograd
 * tiles), 4 channels each, so that every address is one pointer plus a constant. A wasm engine on x86-64 has 15 vector
 * registers: 12 accumulators, 2 weights and 1 broadcast input fill them.
 */
import { madd } from './lanes';

/** Bytes from one plane of outputs (or of output gradients) to the next. */
export const planeBytes: usize = 4608;

/** Six Winograd coefficients share a plane, each a run of this many tiles. */
export const tilesPerBlock: i32 = 48;
export const coefficientBytes: usize = 768;

/**
 * `out[p][0..8) = Σᵢ Σⱼ a[tableᵢ][p][j] · w[i][j][0..8)` for 6 pixels `p` and 4 inputs `j` per entry of the table.
 * `out`: two planes.
 */
export function multiply6x8(table: usize, count: i32, a: usize, w: usize, out: usize): void {
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
  const end = table + ((count as usize) << 2);
  while (table < end) {
    const p = a + (load<u32>(table) as usize);
    let w0 = v128.load(w, 0);
    let w1 = v128.load(w, 16);
    let s = v128.load32_splat(p, 0);
    a0 = madd(s, w0, a0);
    b0 = madd(s, w1, b0);
    s = v128.load32_splat(p, 16);
    a1 = madd(s, w0, a1);
    b1 = madd(s, w1, b1);
    s = v128.load32_splat(p, 32);
    a2 = madd(s, w0, a2);
    b2 = madd(s, w1, b2);
    s = v128.load32_splat(p, 48);
    a3 = madd(s, w0, a3);
    b3 = madd(s, w1, b3);
    s = v128.load32_splat(p, 64);
    a4 = madd(s, w0, a4);
    b4 = madd(s, w1, b4);
    s = v128.load32_splat(p, 80);
    a5 = madd(s, w0, a5);
    b5 = madd(s, w1, b5);
    w0 = v128.load(w, 32);
    w1 = v128.load(w, 48);
    s = v128.load32_splat(p, 4);
    a0 = madd(s, w0, a0);
    b0 = madd(s, w1, b0);
    s = v128.load32_splat(p, 20);
    a1 = madd(s, w0, a1);
    b1 = madd(s, w1, b1);
    s = v128.load32_splat(p, 36);
    a2 = madd(s, w0, a2);
    b2 = madd(s, w1, b2);
    s = v128.load32_splat(p, 52);
    a3 = madd(s, w0, a3);
    b3 = madd(s, w1, b3);
    s = v128.load32_splat(p, 68);
    a4 = madd(s, w0, a4);
    b4 = madd(s, w1, b4);
    s = v128.load32_splat(p, 84);
    a5 = madd(s, w0, a5);
    b5 = madd(s, w1, b5);
    w0 = v128.load(w, 64);
    w1 = v128.load(w, 80);
    s = v128.load32_splat(p, 8);
    a0 = madd(s, w0, a0);
    b0 = madd(s, w1, b0);
    s = v128.load32_splat(p, 24);
    a1 = madd(s, w0, a1);
    b1 = madd(s, w1, b1);
    s = v128.load32_splat(p, 40);
    a2 = madd(s, w0, a2);
    b2 = madd(s, w1, b2);
    s = v128.load32_splat(p, 56);
    a3 = madd(s, w0, a3);
    b3 = madd(s, w1, b3);
    s = v128.load32_splat(p, 72);
    a4 = madd(s, w0, a4);
    b4 = madd(s, w1, b4);
    s = v128.load32_splat(p, 88);
    a5 = madd(s, w0, a5);
    b5 = madd(s, w1, b5);
    w0 = v128.load(w, 96);
    w1 = v128.load(w, 112);
    s = v128.load32_splat(p, 12);
    a0 = madd(s, w0, a0);
    b0 = madd(s, w1, b0);
    s = v128.load32_splat(p, 28);
    a1 = madd(s, w0, a1);
    b1 = madd(s, w1, b1);
    s = v128.load32_splat(p, 44);
    a2 = madd(s, w0, a2);
    b2 = madd(s, w1, b2);
    s = v128.load32_splat(p, 60);
    a3 = madd(s, w0, a3);
    b3 = madd(s, w1, b3);
    s = v128.load32_splat(p, 76);
    a4 = madd(s, w0, a4);
    b4 = madd(s, w1, b4);
    s = v128.load32_splat(p, 92);
    a5 = madd(s, w0, a5);
    b5 = madd(s, w1, b5);
    w += 128;
    table += 4;
  }
  v128.store(out, a0, 0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
  v128.store(out, a3, 48);
  v128.store(out, a4, 64);
  v128.store(out, a5, 80);
  v128.store(out, b0, 4608);
  v128.store(out, b1, 4624);
  v128.store(out, b2, 4640);
  v128.store(out, b3, 4656);
  v128.store(out, b4, 4672);
  v128.store(out, b5, 4688);
}

/** The same for 12 pixels and 4 outputs: the last channels where their number is not a multiple of 8. */
export function multiply12x4(table: usize, count: i32, a: usize, w: usize, out: usize): void {
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
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let p = a + (load<u32>(table) as usize);
    const next = w + 64;
    while (w < next) {
      const w0 = v128.load(w);
      a0 = madd(v128.load32_splat(p, 0), w0, a0);
      a1 = madd(v128.load32_splat(p, 16), w0, a1);
      a2 = madd(v128.load32_splat(p, 32), w0, a2);
      a3 = madd(v128.load32_splat(p, 48), w0, a3);
      a4 = madd(v128.load32_splat(p, 64), w0, a4);
      a5 = madd(v128.load32_splat(p, 80), w0, a5);
      a6 = madd(v128.load32_splat(p, 96), w0, a6);
      a7 = madd(v128.load32_splat(p, 112), w0, a7);
      a8 = madd(v128.load32_splat(p, 128), w0, a8);
      a9 = madd(v128.load32_splat(p, 144), w0, a9);
      a10 = madd(v128.load32_splat(p, 160), w0, a10);
      a11 = madd(v128.load32_splat(p, 176), w0, a11);
      p += 4;
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
  v128.store(out, a6, 96);
  v128.store(out, a7, 112);
  v128.store(out, a8, 128);
  v128.store(out, a9, 144);
  v128.store(out, a10, 160);
  v128.store(out, a11, 176);
}

/**
 * All outputs of `pixels` pixels (rounded up to 6 or 12): `out` planes = `a` planes × packed weights.
 * `w`: blocks of 8 outputs, the last one of 4 where that is enough (see `convPackWeights`).
 */
export function multiplyPlanes(
  table: usize, count: i32, a: usize, w: usize, quads: i32, pixels: i32, out: usize,
): void {
  let q = 0;
  for (; q + 1 < quads; q += 2) {
    for (let p = 0; p < pixels; p += 6) {
      multiply6x8(table, count, a + ((p as usize) << 4), w, out + ((p as usize) << 4));
    }
    w += (count as usize) << 7;
    out += 2 * planeBytes;
  }
  if (q < quads) {
    for (let p = 0; p < pixels; p += 12) {
      multiply12x4(table, count, a + ((p as usize) << 4), w, out + ((p as usize) << 4));
    }
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
    const g1 = v128.load(g, 4608);
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
