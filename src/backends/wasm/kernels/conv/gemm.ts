/**
 * The small matrix product that every convolution here ends in. It works on *planes*: runs of pixels (or Winograd
 * tiles), 8 channels each, so that every address is one pointer plus a constant, and what is added, loaded and stored
 * comes in adjacent pairs of vectors, which V8 merges where it may (`width.ts`).
 *
 * V8 before 13 puts all loads of a loop body before its arithmetic and leaves 15 vector registers: accumulators and loaded
 * values of one turn together must not be more, so 4 pixels × 2 vectors of outputs (8 + 2 + 4 registers) is the best shape for it.
 * Later ones fold loads into what uses them, and 6 × 2 is as good or better (`tall`). Bodies stay small and are not
 * unrolled: unrolled ones run at half the speed, spilling. Of a splatted load V8 adds the constant part of the address to the base
 * of memory each time; with 16 outputs the first turn stands before the loop, where these sums are found again.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */
import { is, madd, No, storeBoth, Yes } from '../lanes';
import { inSixes, tall, wide } from '../width';
import { arePaired } from './weights';

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
  storeBoth(out, a0, b0);
  storeBoth(out + 32, a1, b1);
  storeBoth(out + 64, a2, b2);
  storeBoth(out + 96, a3, b3);
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
  storeBoth(out, a0, b0);
  storeBoth(out + 32, a1, b1);
  storeBoth(out + 64, a2, b2);
  storeBoth(out + 96, a3, b3);
  storeBoth(out + 128, a4, b4);
  storeBoth(out + 160, a5, b5);
}

/**
 * The same for 4 pixels and 16 outputs; `u`: without `Paired`, the weights of the second 8. Both halves of a plane are one run of
 * eight inputs: a loop of four turns is left too soon.
 */
function multiply4x16<First, Paired>(table: usize, count: i32, a: usize, w: usize, u: usize, out: usize): void {
  const turn: usize = is<Paired>() ? 64 : 32;
  const end = table + ((count as usize) << 2);
  const first = load<usize>(table);
  let x = a + first;
  let next = w + 4 * turn;
  table += 4;
  if (table < end && load<usize>(table) == first + 16) {
    next += 4 * turn;
    table += 4;
  }
  const u0 = v128.load(w);
  const u1 = v128.load(w, 16);
  const u2 = is<Paired>() ? v128.load(w, 32) : v128.load(u);
  const u3 = is<Paired>() ? v128.load(w, 48) : v128.load(u, 16);
  const v0 = v128.load32_splat(x);
  const v1 = v128.load32_splat(x, 32);
  const v2 = v128.load32_splat(x, 64);
  const v3 = v128.load32_splat(x, 96);
  let a0 = madd(v0, u0, is<First>() ? f32x4.splat(0) : v128.load(out));
  let b0 = madd(v0, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 16));
  let a1 = madd(v1, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 32));
  let b1 = madd(v1, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 48));
  let a2 = madd(v2, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 64));
  let b2 = madd(v2, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 80));
  let a3 = madd(v3, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 96));
  let b3 = madd(v3, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 112));
  let c0 = madd(v0, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes));
  let d0 = madd(v0, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 16));
  let c1 = madd(v1, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 32));
  let d1 = madd(v1, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 48));
  let c2 = madd(v2, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 64));
  let d2 = madd(v2, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 80));
  let c3 = madd(v3, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 96));
  let d3 = madd(v3, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 112));
  x += 4;
  w += turn;
  if (!is<Paired>()) u += turn;
  while (true) {
    while (w < next) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const w2 = is<Paired>() ? v128.load(w, 32) : v128.load(u);
      const w3 = is<Paired>() ? v128.load(w, 48) : v128.load(u, 16);
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
      w += turn;
      if (!is<Paired>()) u += turn;
    }
    if (table >= end) break;
    const run = load<usize>(table);
    x = a + run;
    next = w + 4 * turn;
    table += 4;
    if (table < end && load<usize>(table) == run + 16) {
      next += 4 * turn;
      table += 4;
    }
  }
  storeBoth(out, a0, b0);
  storeBoth(out + 32, a1, b1);
  storeBoth(out + 64, a2, b2);
  storeBoth(out + 96, a3, b3);
  storeBoth(out + planeBytes, c0, d0);
  storeBoth(out + planeBytes + 32, c1, d1);
  storeBoth(out + planeBytes + 64, c2, d2);
  storeBoth(out + planeBytes + 96, c3, d3);
}

/** The same for 6 pixels: 12 sums wait longer for each other, see `width.ts`. */
function multiply6x16<First, Paired>(table: usize, count: i32, a: usize, w: usize, u: usize, out: usize): void {
  const turn: usize = is<Paired>() ? 64 : 32;
  const end = table + ((count as usize) << 2);
  const first = load<usize>(table);
  let x = a + first;
  let next = w + 4 * turn;
  table += 4;
  if (table < end && load<usize>(table) == first + 16) {
    next += 4 * turn;
    table += 4;
  }
  const u0 = v128.load(w);
  const u1 = v128.load(w, 16);
  const u2 = is<Paired>() ? v128.load(w, 32) : v128.load(u);
  const u3 = is<Paired>() ? v128.load(w, 48) : v128.load(u, 16);
  const v0 = v128.load32_splat(x);
  const v1 = v128.load32_splat(x, 32);
  const v2 = v128.load32_splat(x, 64);
  const v3 = v128.load32_splat(x, 96);
  const v4 = v128.load32_splat(x, 128);
  const v5 = v128.load32_splat(x, 160);
  let a0 = madd(v0, u0, is<First>() ? f32x4.splat(0) : v128.load(out));
  let b0 = madd(v0, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 16));
  let a1 = madd(v1, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 32));
  let b1 = madd(v1, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 48));
  let a2 = madd(v2, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 64));
  let b2 = madd(v2, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 80));
  let a3 = madd(v3, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 96));
  let b3 = madd(v3, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 112));
  let a4 = madd(v4, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 128));
  let b4 = madd(v4, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 144));
  let a5 = madd(v5, u0, is<First>() ? f32x4.splat(0) : v128.load(out, 160));
  let b5 = madd(v5, u1, is<First>() ? f32x4.splat(0) : v128.load(out, 176));
  let c0 = madd(v0, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes));
  let d0 = madd(v0, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 16));
  let c1 = madd(v1, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 32));
  let d1 = madd(v1, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 48));
  let c2 = madd(v2, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 64));
  let d2 = madd(v2, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 80));
  let c3 = madd(v3, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 96));
  let d3 = madd(v3, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 112));
  let c4 = madd(v4, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 128));
  let d4 = madd(v4, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 144));
  let c5 = madd(v5, u2, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 160));
  let d5 = madd(v5, u3, is<First>() ? f32x4.splat(0) : v128.load(out, planeBytes + 176));
  x += 4;
  w += turn;
  if (!is<Paired>()) u += turn;
  while (true) {
    while (w < next) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const w2 = is<Paired>() ? v128.load(w, 32) : v128.load(u);
      const w3 = is<Paired>() ? v128.load(w, 48) : v128.load(u, 16);
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x, 32);
      const x2 = v128.load32_splat(x, 64);
      const x3 = v128.load32_splat(x, 96);
      const x4 = v128.load32_splat(x, 128);
      const x5 = v128.load32_splat(x, 160);
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
      a4 = madd(x4, w0, a4);
      b4 = madd(x4, w1, b4);
      c4 = madd(x4, w2, c4);
      d4 = madd(x4, w3, d4);
      a5 = madd(x5, w0, a5);
      b5 = madd(x5, w1, b5);
      c5 = madd(x5, w2, c5);
      d5 = madd(x5, w3, d5);
      x += 4;
      w += turn;
      if (!is<Paired>()) u += turn;
    }
    if (table >= end) break;
    const run = load<usize>(table);
    x = a + run;
    next = w + 4 * turn;
    table += 4;
    if (table < end && load<usize>(table) == run + 16) {
      next += 4 * turn;
      table += 4;
    }
  }
  storeBoth(out, a0, b0);
  storeBoth(out + 32, a1, b1);
  storeBoth(out + 64, a2, b2);
  storeBoth(out + 96, a3, b3);
  storeBoth(out + 128, a4, b4);
  storeBoth(out + 160, a5, b5);
  storeBoth(out + planeBytes, c0, d0);
  storeBoth(out + planeBytes + 32, c1, d1);
  storeBoth(out + planeBytes + 64, c2, d2);
  storeBoth(out + planeBytes + 96, c3, d3);
  storeBoth(out + planeBytes + 128, c4, d4);
  storeBoth(out + planeBytes + 160, c5, d5);
}

/**
 * Quads of inputs taken at a time: their weights to 16 outputs and 72 pixels of them stay in the first-level cache while all
 * outputs are gone through.
 */
const quadsPerPass: i32 = 32;

/** 16 outputs of `pixels` pixels; `u`: without `Paired`, the weights of the second 8. */
function multiply16<First, Paired>(
  table: usize,
  count: i32,
  a: usize,
  w: usize,
  u: usize,
  pixels: i32,
  out: usize,
): void {
  const end = (pixels as usize) << 5;
  let p: usize = 0;
  for (const by6 = tall ? (inSixes(pixels) as usize) << 5 : 0; p < by6; p += 192) {
    multiply6x16<First, Paired>(table, count, a + p, w, u, out + p);
  }
  for (; p < end; p += 128) multiply4x16<First, Paired>(table, count, a + p, w, u, out + p);
}

/** `pixels` pixels, `count` quads of inputs from `from` on; `step`: bytes of the weights of 8 outputs. */
function multiplyPass<First>(
  table: usize,
  from: i32,
  count: i32,
  a: usize,
  w: usize,
  step: usize,
  octs: i32,
  paired: bool,
  pixels: i32,
  out: usize,
): void {
  const end = (pixels as usize) << 5;
  const sixes = (inSixes(pixels) as usize) << 5;
  const skipped = (from as usize) << 7;
  table += (from as usize) << 2;
  if (wide) {
    for (; octs >= 2; octs -= 2) {
      if (paired) multiply16<First, Yes>(table, count, a, w + 2 * skipped, 0, pixels, out);
      else multiply16<First, No>(table, count, a, w + skipped, w + step + skipped, pixels, out);
      w += 2 * step;
      out += 2 * planeBytes;
    }
  }
  w += skipped;
  for (; octs > 0; octs--) {
    let p: usize = 0;
    for (const by6 = wide || tall ? sixes : 0; p < by6; p += 192) multiply6x8<First>(table, count, a + p, w, out + p);
    for (; p < end; p += 128) multiply4x8<First>(table, count, a + p, w, out + p);
    w += step;
    out += planeBytes;
  }
}

/**
 * All outputs of `pixels` pixels (rounded up to a multiple of 12 at most): `out` planes = `a` planes × packed weights.
 * `table`: where the quads of inputs lie; `w`: `octs` blocks of 8 outputs, of `all` that lie together (see `weights.ts`).
 */
export function multiplyPlanes(
  table: usize,
  count: i32,
  a: usize,
  w: usize,
  octs: i32,
  all: i32,
  pixels: i32,
  out: usize,
): void {
  // Pixels that no tap reaches.
  if (count == 0) {
    for (let oct = 0; oct < octs; oct++) memory.fill(out + (oct as usize) * planeBytes, 0, (pixels as usize) << 5);
    return;
  }
  const step = (count as usize) << 7;
  const paired = arePaired(all, step);
  // Parts alike, of whole eights.
  const parts = count > 2 * quadsPerPass ? (count + quadsPerPass / 2) / quadsPerPass : 1;
  const most = ((count + parts - 1) / parts + 1) & ~1;
  multiplyPass<Yes>(table, 0, min(most, count), a, w, step, octs, paired, pixels, out);
  for (let done = most; done < count; done += most) {
    multiplyPass<No>(table, done, min(most, count - done), a, w, step, octs, paired, pixels, out);
  }
}
