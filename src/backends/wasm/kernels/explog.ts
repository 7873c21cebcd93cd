import { madd } from './lanes';

/** Range reduction and polynomial of Cephes' expf. */
// @ts-ignore: decorator
@inline
function exponential(
  x: v128,
  least: v128,
  magic: v128,
  inverseLn2: v128,
  ln2High: v128,
  ln2Low: v128,
  c7: v128,
  c6: v128,
  c5: v128,
  c4: v128,
  c3: v128,
  c2: v128,
  one: v128,
): v128 {
  x = f32x4.pmax(x, least);
  // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
  const k = madd(x, inverseLn2, magic);
  const n = f32x4.sub(k, magic);
  const r = madd(n, ln2Low, madd(n, ln2High, x));
  const p = madd(madd(madd(madd(madd(c7, r, c6), r, c5), r, c4), r, c3), r, c2);
  return i32x4.add(f32x4.add(madd(p, f32x4.mul(r, r), r), one), i32x4.shl(k, 23));
}

/** Polynomial of Cephes' logf. */
// @ts-ignore: decorator
@inline
function logarithm(
  x: v128,
  halfRoot: v128,
  fraction: v128,
  one: v128,
  c9: v128,
  c8: v128,
  c7: v128,
  c6: v128,
  c5: v128,
  c4: v128,
  c3: v128,
  c2: v128,
  c1: v128,
  ln2Low: v128,
  minusHalf: v128,
  ln2High: v128,
): v128 {
  // Mantissa in [√½, √2).
  const bits = i32x4.sub(x, halfRoot);
  const e = f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23));
  const f = f32x4.sub(i32x4.add(v128.and(bits, fraction), halfRoot), one);
  const square = f32x4.mul(f, f);
  let p = madd(madd(madd(madd(c9, f, c8), f, c7), f, c6), f, c5);
  p = madd(madd(madd(madd(p, f, c4), f, c3), f, c2), f, c1);
  p = f32x4.mul(f32x4.mul(p, f), square);
  p = madd(square, minusHalf, madd(e, ln2Low, p));
  return madd(e, ln2High, f32x4.add(f, p));
}

/** `eˣ` for x ≤ 88, relative error 1e-7; below −87 it stays at e⁻⁸⁷. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  return exponential(
    x,
    f32x4.splat(-87),
    f32x4.splat(12582912),
    f32x4.splat(1.44269504088896341),
    f32x4.splat(-0.693359375),
    f32x4.splat(2.1219444e-4),
    f32x4.splat(1.98756915e-4),
    f32x4.splat(1.3981999507e-3),
    f32x4.splat(8.3334519073e-3),
    f32x4.splat(4.1665795894e-2),
    f32x4.splat(1.6666665459e-1),
    f32x4.splat(5.0000001201e-1),
    f32x4.splat(1),
  );
}

/** `1/(1 + e⁻ˣ)`; the exponential is taken of −|x| only. */
// @ts-ignore: decorator
@inline
export function logistic4(x: v128): v128 {
  const one = f32x4.splat(1);
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  return f32x4.div(v128.bitselect(one, e, f32x4.ge(x, f32x4.splat(0))), f32x4.add(one, e));
}

/** Natural logarithm of normal numbers ≥ 1. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  return logarithm(
    x,
    i32x4.splat(0x3f3504f3),
    i32x4.splat(0x7fffff),
    f32x4.splat(1),
    f32x4.splat(7.0376836292e-2),
    f32x4.splat(-1.151461031e-1),
    f32x4.splat(1.167699874e-1),
    f32x4.splat(-1.2420140846e-1),
    f32x4.splat(1.4249322787e-1),
    f32x4.splat(-1.6668057665e-1),
    f32x4.splat(2.0000714765e-1),
    f32x4.splat(-2.4999993993e-1),
    f32x4.splat(3.3333331174e-1),
    f32x4.splat(-2.1219444e-4),
    f32x4.splat(-0.5),
    f32x4.splat(0.693359375),
  );
}

/** Bytes of the constants of both; those of the logarithm begin in the middle. */
export const expLogBytes: usize = 128;

/** The constants of `exp4From` and `log4From`, which V8 would otherwise make anew, by several instructions each, in every turn. */
export function storeExpLog(to: usize): void {
  store<f32>(to, -87);
  store<f32>(to, 12582912, 4);
  store<f32>(to, 1.44269504088896341, 8);
  store<f32>(to, -0.693359375, 12);
  store<f32>(to, 2.1219444e-4, 16);
  store<f32>(to, 1.98756915e-4, 20);
  store<f32>(to, 1.3981999507e-3, 24);
  store<f32>(to, 8.3334519073e-3, 28);
  store<f32>(to, 4.1665795894e-2, 32);
  store<f32>(to, 1.6666665459e-1, 36);
  store<f32>(to, 5.0000001201e-1, 40);
  store<f32>(to, 1, 44);
  store<i32>(to, 0x3f3504f3, 64);
  store<i32>(to, 0x7fffff, 68);
  store<f32>(to, 1, 72);
  store<f32>(to, 7.0376836292e-2, 76);
  store<f32>(to, -1.151461031e-1, 80);
  store<f32>(to, 1.167699874e-1, 84);
  store<f32>(to, -1.2420140846e-1, 88);
  store<f32>(to, 1.4249322787e-1, 92);
  store<f32>(to, -1.6668057665e-1, 96);
  store<f32>(to, 2.0000714765e-1, 100);
  store<f32>(to, -2.4999993993e-1, 104);
  store<f32>(to, 3.3333331174e-1, 108);
  store<f32>(to, -2.1219444e-4, 112);
  store<f32>(to, -0.5, 116);
  store<f32>(to, 0.693359375, 120);
}

/** `exp4` with the constants at `table`. */
// @ts-ignore: decorator
@inline
export function exp4From(x: v128, table: usize): v128 {
  return exponential(
    x,
    v128.load32_splat(table),
    v128.load32_splat(table, 4),
    v128.load32_splat(table, 8),
    v128.load32_splat(table, 12),
    v128.load32_splat(table, 16),
    v128.load32_splat(table, 20),
    v128.load32_splat(table, 24),
    v128.load32_splat(table, 28),
    v128.load32_splat(table, 32),
    v128.load32_splat(table, 36),
    v128.load32_splat(table, 40),
    v128.load32_splat(table, 44),
  );
}

/** `log4` with the constants at `table`. */
// @ts-ignore: decorator
@inline
export function log4From(x: v128, table: usize): v128 {
  return logarithm(
    x,
    v128.load32_splat(table, 64),
    v128.load32_splat(table, 68),
    v128.load32_splat(table, 72),
    v128.load32_splat(table, 76),
    v128.load32_splat(table, 80),
    v128.load32_splat(table, 84),
    v128.load32_splat(table, 88),
    v128.load32_splat(table, 92),
    v128.load32_splat(table, 96),
    v128.load32_splat(table, 100),
    v128.load32_splat(table, 104),
    v128.load32_splat(table, 108),
    v128.load32_splat(table, 112),
    v128.load32_splat(table, 116),
    v128.load32_splat(table, 120),
  );
}
