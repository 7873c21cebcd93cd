/** The other product of planes, of weight gradients: sums over pixels. Blocks as in `gemm.ts`. */
import { is, madd, storeBoth } from '../lanes';
import { wide } from '../width';
import { planeBytes } from './gemm';

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
  storeBoth(out, a0, b0);
  storeBoth(o1, a1, b1);
  storeBoth(o2, a2, b2);
  storeBoth(o3, a3, b3);
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
  storeBoth(out, a0, b0);
  storeBoth(out + 32, c0, d0);
  storeBoth(o1, a1, b1);
  storeBoth(o1 + 32, c1, d1);
  storeBoth(o2, a2, b2);
  storeBoth(o2 + 32, c2, d2);
  storeBoth(o3, a3, b3);
  storeBoth(o3 + 32, c3, d3);
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
