/**
 * The two small matrix products every convolution here ends in. Both work on *planes*: runs of pixels (or Winograd
 * tiles), 8 channels each, so that every address is one pointer plus a constant, and what is added, loaded and stored
 * comes in adjacent pairs of vectors, which V8 merges where it may (`width.ts`).
 *
 * V8 puts all loads of a loop body before its arithmetic and leaves 15 vector registers: accumulators and loaded
 * values of one turn together must not be more. So the bodies stay small and are not unrolled (unrolled ones run at
 * half the speed, spilling), and 4 pixels × 2 vectors of outputs (8 + 2 + 4 registers) is the best shape: 8 outputs in
 * 128 bits, 16 in 256.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */
import { is, madd, No, Yes } from '../lanes';
import { wide } from '../width';

/** Bytes from one plane to the next in blocks of tiles and in products: not a power of two, for the cache's sake. */
export const planeBytes: usize = 9984;

/** Each of the six coefficients of a plane of Winograd tiles is a run of this many tiles, these bytes apart. */
export const tilesPerBlock: i32 = 48;
export const coefficientBytes: usize = 1664;

/** `out[p][0..8) = Σᵢ Σⱼ a[tableᵢ][p][j] · w[i][j][0..8)` for 4 pixels `p` and 4 inputs `j` per entry of the table. */
function multiply4x8<First>(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  let a0 = is<First>() ? f32x4.splat(0) : v128.load(out);
  let b0 = is<First>() ? f32x4.splat(0) : v128.load(out, 16);
  let a1 = is<First>() ? f32x4.splat(0) : v128.load(out, 32);
  let b1 = is<First>() ? f32x4.splat(0) : v128.load(out, 48);
  let a2 = is<First>() ? f32x4.splat(0) : v128.load(out, 64);
  let b2 = is<First>() ? f32x4.splat(0) : v128.load(out, 80);
  let a3 = is<First>() ? f32x4.splat(0) : v128.load(out, 96);
  let b3 = is<First>() ? f32x4.splat(0) : v128.load(out, 112);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 128;
    while (w < next) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x, 32);
      const x2 = v128.load32_splat(x, 64);
      const x3 = v128.load32_splat(x, 96);
      a0 = madd(x0, w0, a0);
      b0 = madd(x0, w1, b0);
      a1 = madd(x1, w0, a1);
      b1 = madd(x1, w1, b1);
      a2 = madd(x2, w0, a2);
      b2 = madd(x2, w1, b2);
      a3 = madd(x3, w0, a3);
      b3 = madd(x3, w1, b3);
      x += 4;
      w += 32;
    }
    table += 4;
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, a1, 32);
  v128.store(out, b1, 48);
  v128.store(out, a2, 64);
  v128.store(out, b2, 80);
  v128.store(out, a3, 96);
  v128.store(out, b3, 112);
}

/** The same for 6 pixels: what 256 bits need where only 8 outputs are left. */
function multiply6x8<First>(table: usize, count: i32, a: usize, w: usize, out: usize): void {
  let a0 = is<First>() ? f32x4.splat(0) : v128.load(out);
  let b0 = is<First>() ? f32x4.splat(0) : v128.load(out, 16);
  let a1 = is<First>() ? f32x4.splat(0) : v128.load(out, 32);
  let b1 = is<First>() ? f32x4.splat(0) : v128.load(out, 48);
  let a2 = is<First>() ? f32x4.splat(0) : v128.load(out, 64);
  let b2 = is<First>() ? f32x4.splat(0) : v128.load(out, 80);
  let a3 = is<First>() ? f32x4.splat(0) : v128.load(out, 96);
  let b3 = is<First>() ? f32x4.splat(0) : v128.load(out, 112);
  let a4 = is<First>() ? f32x4.splat(0) : v128.load(out, 128);
  let b4 = is<First>() ? f32x4.splat(0) : v128.load(out, 144);
  let a5 = is<First>() ? f32x4.splat(0) : v128.load(out, 160);
  let b5 = is<First>() ? f32x4.splat(0) : v128.load(out, 176);
  const end = table + ((count as usize) << 2);
  while (table < end) {
    let x = a + load<usize>(table);
    const next = w + 128;
    while (w < next) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x, 32);
      const x2 = v128.load32_splat(x, 64);
      const x3 = v128.load32_splat(x, 96);
      const x4 = v128.load32_splat(x, 128);
      const x5 = v128.load32_splat(x, 160);
      a0 = madd(x0, w0, a0);
      b0 = madd(x0, w1, b0);
      a1 = madd(x1, w0, a1);
      b1 = madd(x1, w1, b1);
      a2 = madd(x2, w0, a2);
      b2 = madd(x2, w1, b2);
      a3 = madd(x3, w0, a3);
      b3 = madd(x3, w1, b3);
      a4 = madd(x4, w0, a4);
      b4 = madd(x4, w1, b4);
      a5 = madd(x5, w0, a5);
      b5 = madd(x5, w1, b5);
      x += 4;
      w += 32;
    }
    table += 4;
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, a1, 32);
  v128.store(out, b1, 48);
  v128.store(out, a2, 64);
  v128.store(out, b2, 80);
  v128.store(out, a3, 96);
  v128.store(out, b3, 112);
  v128.store(out, a4, 128);
  v128.store(out, b4, 144);
  v128.store(out, a5, 160);
  v128.store(out, b5, 176);
}

/**
 * The same for 4 pixels and 16 outputs; `step`: bytes between the weights of 8 and the next 8. Both halves of a plane are one run of
 * eight inputs: a loop of four turns is left too soon.
 */
function multiply4x16<First>(table: usize, count: i32, a: usize, w: usize, step: usize, out: usize): void {
  let a0 = is<First>() ? f32x4.splat(0) : v128.load(out);
  let b0 = is<First>() ? f32x4.splat(0) : v128.load(out, 16);
  let a1 = is<First>() ? f32x4.splat(0) : v128.load(out, 32);
  let b1 = is<First>() ? f32x4.splat(0) : v128.load(out, 48);
  let a2 = is<First>() ? f32x4.splat(0) : v128.load(out, 64);
  let b2 = is<First>() ? f32x4.splat(0) : v128.load(out, 80);
  let a3 = is<First>() ? f32x4.splat(0) : v128.load(out, 96);
  let b3 = is<First>() ? f32x4.splat(0) : v128.load(out, 112);
  let c0 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes);
  let d0 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 16);
  let c1 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 32);
  let d1 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 48);
  let c2 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 64);
  let d2 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 80);
  let c3 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 96);
  let d3 = is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 112);
  let u = w + step;
  const end = table + ((count as usize) << 2);
  while (table < end) {
    const first = load<usize>(table);
    let x = a + first;
    let next = w + 128;
    table += 4;
    if (table < end && load<usize>(table) == first + 16) {
      next += 128;
      table += 4;
    }
    while (w < next) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const w2 = v128.load(u);
      const w3 = v128.load(u, 16);
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x, 32);
      const x2 = v128.load32_splat(x, 64);
      const x3 = v128.load32_splat(x, 96);
      a0 = madd(x0, w0, a0);
      b0 = madd(x0, w1, b0);
      c0 = madd(x0, w2, c0);
      d0 = madd(x0, w3, d0);
      a1 = madd(x1, w0, a1);
      b1 = madd(x1, w1, b1);
      c1 = madd(x1, w2, c1);
      d1 = madd(x1, w3, d1);
      a2 = madd(x2, w0, a2);
      b2 = madd(x2, w1, b2);
      c2 = madd(x2, w2, c2);
      d2 = madd(x2, w3, d2);
      a3 = madd(x3, w0, a3);
      b3 = madd(x3, w1, b3);
      c3 = madd(x3, w2, c3);
      d3 = madd(x3, w3, d3);
      x += 4;
      w += 32;
      u += 32;
    }
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, a1, 32);
  v128.store(out, b1, 48);
  v128.store(out, a2, 64);
  v128.store(out, b2, 80);
  v128.store(out, a3, 96);
  v128.store(out, b3, 112);
  v128.store(out, c0, planeBytes);
  v128.store(out, d0, planeBytes + 16);
  v128.store(out, c1, planeBytes + 32);
  v128.store(out, d1, planeBytes + 48);
  v128.store(out, c2, planeBytes + 64);
  v128.store(out, d2, planeBytes + 80);
  v128.store(out, c3, planeBytes + 96);
  v128.store(out, d3, planeBytes + 112);
}

/**
 * Quads of inputs taken at a time: their weights to 16 outputs and 48 pixels of them stay in the first-level cache while all
 * outputs are gone through.
 */
const quadsPerPass: i32 = 32;

/** `pixels` pixels, `count` quads of inputs from `w` on; `step`: bytes between the weights of 8 outputs and the next 8. */
function multiplyPass<First>(
  table: usize,
  count: i32,
  a: usize,
  w: usize,
  step: usize,
  octs: i32,
  pixels: i32,
  out: usize,
): void {
  const end = (pixels as usize) << 5;
  if (wide) {
    for (; octs >= 2; octs -= 2) {
      for (let p: usize = 0; p < end; p += 128) multiply4x16<First>(table, count, a + p, w, step, out + p);
      w += 2 * step;
      out += 2 * planeBytes;
    }
    if (octs) {
      for (let p: usize = 0; p < end; p += 192) multiply6x8<First>(table, count, a + p, w, out + p);
    }
    return;
  }
  for (; octs > 0; octs--) {
    for (let p: usize = 0; p < end; p += 128) multiply4x8<First>(table, count, a + p, w, out + p);
    w += step;
    out += planeBytes;
  }
}

/**
 * All outputs of `pixels` pixels (rounded up to a multiple of 12 at most): `out` planes = `a` planes × packed weights.
 * `table`: where the quads of inputs lie; `w`: blocks of 8 outputs (see `convPackWeights`).
 */
export function multiplyPlanes(table: usize, count: i32, a: usize, w: usize, octs: i32, pixels: i32, out: usize): void {
  const step = (count as usize) << 7;
  const most = count > 2 * quadsPerPass ? quadsPerPass : count;
  multiplyPass<Yes>(table, most, a, w, step, octs, pixels, out);
  for (let done = most; done < count; done += most) {
    const at = (done as usize) << 2;
    const rest = min(most, count - done);
    multiplyPass<No>(table + at, rest, a, w + ((done as usize) << 7), step, octs, pixels, out);
  }
}

/** `out[j][0..8) += Σₚ x[p][j] · g[p][0..8)` for 4 inputs `j`, or `=` the first time; `out`: rows of `row` bytes. */
function outer4x8<First>(x: usize, g: usize, count: i32, out: usize, row: usize): void {
  const o1 = out + row;
  const o2 = o1 + row;
  const o3 = o2 + row;
  let a0 = is<First>() ? f32x4.splat(0) : v128.load(out);
  let b0 = is<First>() ? f32x4.splat(0) : v128.load(out, 16);
  let a1 = is<First>() ? f32x4.splat(0) : v128.load(o1);
  let b1 = is<First>() ? f32x4.splat(0) : v128.load(o1, 16);
  let a2 = is<First>() ? f32x4.splat(0) : v128.load(o2);
  let b2 = is<First>() ? f32x4.splat(0) : v128.load(o2, 16);
  let a3 = is<First>() ? f32x4.splat(0) : v128.load(o3);
  let b3 = is<First>() ? f32x4.splat(0) : v128.load(o3, 16);
  const end = x + ((count as usize) << 5);
  while (x < end) {
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const x0 = v128.load32_splat(x);
    a0 = madd(x0, g0, a0);
    b0 = madd(x0, g1, b0);
    const x1 = v128.load32_splat(x, 4);
    a1 = madd(x1, g0, a1);
    b1 = madd(x1, g1, b1);
    const x2 = v128.load32_splat(x, 8);
    a2 = madd(x2, g0, a2);
    b2 = madd(x2, g1, b2);
    const x3 = v128.load32_splat(x, 12);
    a3 = madd(x3, g0, a3);
    b3 = madd(x3, g1, b3);
    x += 32;
    g += 32;
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

/** The same for 16 outputs: two planes of `g`. */
function outer4x16<First>(x: usize, g: usize, count: i32, out: usize, row: usize): void {
  const o1 = out + row;
  const o2 = o1 + row;
  const o3 = o2 + row;
  let a0 = is<First>() ? f32x4.splat(0) : v128.load(out);
  let b0 = is<First>() ? f32x4.splat(0) : v128.load(out, 16);
  let c0 = is<First>() ? f32x4.splat(0) : v128.load(out, 32);
  let d0 = is<First>() ? f32x4.splat(0) : v128.load(out, 48);
  let a1 = is<First>() ? f32x4.splat(0) : v128.load(o1);
  let b1 = is<First>() ? f32x4.splat(0) : v128.load(o1, 16);
  let c1 = is<First>() ? f32x4.splat(0) : v128.load(o1, 32);
  let d1 = is<First>() ? f32x4.splat(0) : v128.load(o1, 48);
  let a2 = is<First>() ? f32x4.splat(0) : v128.load(o2);
  let b2 = is<First>() ? f32x4.splat(0) : v128.load(o2, 16);
  let c2 = is<First>() ? f32x4.splat(0) : v128.load(o2, 32);
  let d2 = is<First>() ? f32x4.splat(0) : v128.load(o2, 48);
  let a3 = is<First>() ? f32x4.splat(0) : v128.load(o3);
  let b3 = is<First>() ? f32x4.splat(0) : v128.load(o3, 16);
  let c3 = is<First>() ? f32x4.splat(0) : v128.load(o3, 32);
  let d3 = is<First>() ? f32x4.splat(0) : v128.load(o3, 48);
  const end = x + ((count as usize) << 5);
  while (x < end) {
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const g2 = v128.load(g, planeBytes);
    const g3 = v128.load(g, planeBytes + 16);
    const x0 = v128.load32_splat(x);
    a0 = madd(x0, g0, a0);
    b0 = madd(x0, g1, b0);
    c0 = madd(x0, g2, c0);
    d0 = madd(x0, g3, d0);
    const x1 = v128.load32_splat(x, 4);
    a1 = madd(x1, g0, a1);
    b1 = madd(x1, g1, b1);
    c1 = madd(x1, g2, c1);
    d1 = madd(x1, g3, d1);
    const x2 = v128.load32_splat(x, 8);
    a2 = madd(x2, g0, a2);
    b2 = madd(x2, g1, b2);
    c2 = madd(x2, g2, c2);
    d2 = madd(x2, g3, d2);
    const x3 = v128.load32_splat(x, 12);
    a3 = madd(x3, g0, a3);
    b3 = madd(x3, g1, b3);
    c3 = madd(x3, g2, c3);
    d3 = madd(x3, g3, d3);
    x += 32;
    g += 32;
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, c0, 32);
  v128.store(out, d0, 48);
  v128.store(o1, a1);
  v128.store(o1, b1, 16);
  v128.store(o1, c1, 32);
  v128.store(o1, d1, 48);
  v128.store(o2, a2);
  v128.store(o2, b2, 16);
  v128.store(o2, c2, 32);
  v128.store(o2, d2, 48);
  v128.store(o3, a3);
  v128.store(o3, b3, 16);
  v128.store(o3, c3, 32);
  v128.store(o3, d3, 48);
}

/** `out[j][0..8·octs) += Σₚ x[p][j] · g[p][·]` for the 4 inputs of half a plane and all planes of `g`. */
export function outerPlanes<First>(x: usize, g: usize, octs: i32, pixels: i32, out: usize): void {
  const row = (octs as usize) << 5;
  if (wide) {
    for (; octs >= 2; octs -= 2) {
      outer4x16<First>(x, g, pixels, out, row);
      g += 2 * planeBytes;
      out += 64;
    }
  }
  for (; octs > 0; octs--) {
    outer4x8<First>(x, g, pixels, out, row);
    g += planeBytes;
    out += 32;
  }
}
