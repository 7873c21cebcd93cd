/**
 * Softmax cross-entropy of eight neighbouring pixels whose logits lie evenly spaced between two coarse columns: their
 * exponentials are geometric sequences, `exp(z_c(j) − high) = p_c·r_c^j` for pixels j = 0 … 7, with
 *
 *     p_c = exp(left_c + t_0·(right_c − left_c) − high),  r_c = exp(step·(right_c − left_c))
 *     S_j = Σ_c p_c·r_c^j
 *     ∂/∂left_c = p_c·Σ_j (w_j/S_j)·(1 − t_j)·r_c^j,  ∂/∂right_c = p_c·Σ_j (w_j/S_j)·t_j·r_c^j   (Horner)
 *
 * so that lanes are classes throughout and two exponentials per class serve all eight. Each stage runs over many groups
 * before the next begins: groups do not wait for each other, while within one every stage waits for the one before.
 */

import { exp4From, expLogBytes, log4From } from './explog';
import { laneSums } from './exponentials';
import { largestLane, madd, storeBoth } from './lanes';
import { addTo64 } from './partials';

/** Eight pixels between two coarse columns. */
@unmanaged
export class EvenGroup {
  /** What every class's gradient, left and right, gets of the targets' smooth part. */
  spreadLeft: v128;
  spreadRight: v128;
  /** By pixel: weight, the target's dot product with the logits, `S`, and the factors `(w/S)·(1 − t)` and `(w/S)·t`. */
  weights0: v128;
  weights1: v128;
  targets0: v128;
  targets1: v128;
  sums0: v128;
  sums1: v128;
  toLeft0: v128;
  toLeft1: v128;
  toRight0: v128;
  toRight1: v128;
  /** Logits and gradients of the two coarse pixels, classes padded to a multiple of eight. */
  left: usize;
  right: usize;
  gradLeft: usize;
  gradRight: usize;
  /** Of the eight pixels, weights of the right column. */
  fractions: usize;
  /** No logit of the two is larger. */
  high: f32;
  unused0: i32;
  unused1: i32;
}

/** Groups that go through the stages together: what they need stays in the first-level cache. */
export const groupsPerTurn: i32 = 24;

/** Logits may differ by this much before products of their exponentials leave the range of float32. */
export const safeSpread: f32 = 80;

/** Largest and smallest logit of each coarse pixel, side by side. `end`: bytes of a pixel. */
export function extremes(values: usize, width: i32, end: usize, to: usize): void {
  for (let q = 0; q < width; q++) {
    let high = v128.load(values);
    let low = high;
    for (let c: usize = 16; c < end; c += 16) {
      const v = v128.load(values + c);
      high = f32x4.pmax(high, v);
      low = f32x4.pmin(low, v);
    }
    store<f32>(to, largestLane(high));
    store<f32>(to, -largestLane(f32x4.neg(low)), 4);
    values += end;
    to += 8;
  }
}

/** `p` at `to` and `r` behind it. `table`: constants, then ones for classes and zeros for what is padded. */
function sequences(group: EvenGroup, end: usize, step: f32, table: usize, to: usize): void {
  const mask = table + expLogBytes;
  const left = group.left;
  const right = group.right;
  const high = f32x4.splat(group.high);
  const first = v128.load32_splat(group.fractions);
  const step4 = f32x4.splat(step);
  for (let c: usize = 0; c < end; c += 32) {
    const a = v128.load(left + c);
    const b = v128.load(left + c, 16);
    const slopeA = f32x4.sub(v128.load(right + c), a);
    const slopeB = f32x4.sub(v128.load(right + c, 16), b);
    const pA = exp4From(madd(first, slopeA, f32x4.sub(a, high)), table);
    const pB = exp4From(madd(first, slopeB, f32x4.sub(b, high)), table);
    storeBoth(to + c, f32x4.mul(pA, v128.load(mask + c)), f32x4.mul(pB, v128.load(mask + c, 16)));
    storeBoth(to + end + c, exp4From(f32x4.mul(step4, slopeA), table), exp4From(f32x4.mul(step4, slopeB), table));
  }
}

// @ts-ignore: decorator
@inline
function halves(at: usize): v128 {
  return f32x4.add(v128.load(at), v128.load(at, 16));
}

/** `S` of the eight pixels. `at`: what `sequences` wrote; `spare`: 256 bytes. */
function sums(group: EvenGroup, end: usize, at: usize, spare: usize): void {
  let a0 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let a4 = f32x4.splat(0);
  let b4 = f32x4.splat(0);
  let a5 = f32x4.splat(0);
  let b5 = f32x4.splat(0);
  let a6 = f32x4.splat(0);
  let b6 = f32x4.splat(0);
  let a7 = f32x4.splat(0);
  let b7 = f32x4.splat(0);
  for (const stop = at + end; at < stop; at += 32) {
    let pA = v128.load(at);
    let pB = v128.load(at, 16);
    const rA = v128.load(at + end);
    const rB = v128.load(at + end, 16);
    a0 = f32x4.add(a0, pA);
    b0 = f32x4.add(b0, pB);
    pA = f32x4.mul(pA, rA);
    pB = f32x4.mul(pB, rB);
    a1 = f32x4.add(a1, pA);
    b1 = f32x4.add(b1, pB);
    pA = f32x4.mul(pA, rA);
    pB = f32x4.mul(pB, rB);
    a2 = f32x4.add(a2, pA);
    b2 = f32x4.add(b2, pB);
    pA = f32x4.mul(pA, rA);
    pB = f32x4.mul(pB, rB);
    a3 = f32x4.add(a3, pA);
    b3 = f32x4.add(b3, pB);
    pA = f32x4.mul(pA, rA);
    pB = f32x4.mul(pB, rB);
    a4 = f32x4.add(a4, pA);
    b4 = f32x4.add(b4, pB);
    pA = f32x4.mul(pA, rA);
    pB = f32x4.mul(pB, rB);
    a5 = f32x4.add(a5, pA);
    b5 = f32x4.add(b5, pB);
    pA = f32x4.mul(pA, rA);
    pB = f32x4.mul(pB, rB);
    a6 = f32x4.add(a6, pA);
    b6 = f32x4.add(b6, pB);
    a7 = madd(pA, rA, a7);
    b7 = madd(pB, rB, b7);
  }
  // By way of memory: V8 does not merge a pair whose halves are used apart.
  storeBoth(spare, a0, b0);
  storeBoth(spare + 32, a1, b1);
  storeBoth(spare + 64, a2, b2);
  storeBoth(spare + 96, a3, b3);
  storeBoth(spare + 128, a4, b4);
  storeBoth(spare + 160, a5, b5);
  storeBoth(spare + 192, a6, b6);
  storeBoth(spare + 224, a7, b7);
  group.sums0 = laneSums(halves(spare), halves(spare + 32), halves(spare + 64), halves(spare + 96));
  group.sums1 = laneSums(halves(spare + 128), halves(spare + 160), halves(spare + 192), halves(spare + 224));
}

/** The factors of the gradient; `w·loss` of the eight pixels goes to `losses`. */
function factors(group: EvenGroup, table: usize, losses: usize): void {
  const high = f32x4.splat(group.high);
  const weightsA = group.weights0;
  const weightsB = group.weights1;
  const sumsA = group.sums0;
  const sumsB = group.sums1;
  const lossA = f32x4.sub(f32x4.add(high, log4From(sumsA, table)), group.targets0);
  const lossB = f32x4.sub(f32x4.add(high, log4From(sumsB, table)), group.targets1);
  storeBoth(losses, f32x4.mul(weightsA, lossA), f32x4.mul(weightsB, lossB));
  const allA = f32x4.div(weightsA, sumsA);
  const allB = f32x4.div(weightsB, sumsB);
  const rightA = f32x4.mul(allA, v128.load(group.fractions));
  const rightB = f32x4.mul(allB, v128.load(group.fractions, 16));
  const to = changetype<usize>(group) + offsetof<EvenGroup>('toLeft0');
  storeBoth(to, f32x4.sub(allA, rightA), f32x4.sub(allB, rightB));
  storeBoth(to + 32, rightA, rightB);
}

// @ts-ignore: decorator
@inline
function addBoth(to: usize, factorA: v128, factorB: v128, a: v128, b: v128, spread: v128): void {
  const oldA = f32x4.sub(v128.load(to), spread);
  const oldB = f32x4.sub(v128.load(to, 16), spread);
  storeBoth(to, madd(factorA, a, oldA), madd(factorB, b, oldB));
}

/** Adds the gradients of both columns. `at`: what `sequences` wrote. */
function gradients(group: EvenGroup, end: usize, at: usize): void {
  const factor = changetype<usize>(group) + offsetof<EvenGroup>('toLeft0');
  const gradLeft = group.gradLeft;
  const gradRight = group.gradRight;
  const spreadLeft = group.spreadLeft;
  const spreadRight = group.spreadRight;
  for (let c: usize = 0; c < end; c += 32) {
    const rA = v128.load(at + end + c);
    const rB = v128.load(at + end + c, 16);
    let left = v128.load32_splat(factor, 28);
    let right = v128.load32_splat(factor, 60);
    let next = v128.load32_splat(factor, 24);
    let leftA = madd(left, rA, next);
    let leftB = madd(left, rB, next);
    next = v128.load32_splat(factor, 56);
    let rightA = madd(right, rA, next);
    let rightB = madd(right, rB, next);
    left = v128.load32_splat(factor, 20);
    leftA = madd(leftA, rA, left);
    leftB = madd(leftB, rB, left);
    right = v128.load32_splat(factor, 52);
    rightA = madd(rightA, rA, right);
    rightB = madd(rightB, rB, right);
    left = v128.load32_splat(factor, 16);
    leftA = madd(leftA, rA, left);
    leftB = madd(leftB, rB, left);
    right = v128.load32_splat(factor, 48);
    rightA = madd(rightA, rA, right);
    rightB = madd(rightB, rB, right);
    left = v128.load32_splat(factor, 12);
    leftA = madd(leftA, rA, left);
    leftB = madd(leftB, rB, left);
    right = v128.load32_splat(factor, 44);
    rightA = madd(rightA, rA, right);
    rightB = madd(rightB, rB, right);
    left = v128.load32_splat(factor, 8);
    leftA = madd(leftA, rA, left);
    leftB = madd(leftB, rB, left);
    right = v128.load32_splat(factor, 40);
    rightA = madd(rightA, rA, right);
    rightB = madd(rightB, rB, right);
    left = v128.load32_splat(factor, 4);
    leftA = madd(leftA, rA, left);
    leftB = madd(leftB, rB, left);
    right = v128.load32_splat(factor, 36);
    rightA = madd(rightA, rA, right);
    rightB = madd(rightB, rB, right);
    left = v128.load32_splat(factor);
    leftA = madd(leftA, rA, left);
    leftB = madd(leftB, rB, left);
    right = v128.load32_splat(factor, 32);
    rightA = madd(rightA, rA, right);
    rightB = madd(rightB, rB, right);
    const pA = v128.load(at + c);
    const pB = v128.load(at + c, 16);
    addBoth(gradLeft + c, pA, pB, leftA, leftB, spreadLeft);
    // After that: to the right of the last column lies itself.
    addBoth(gradRight + c, pA, pB, rightA, rightB, spreadRight);
  }
}

/**
 * All stages for `count` groups at `groups`. `end`: bytes of a coarse pixel; `step`: coarse pixels from one pixel to the
 * next; `table`: as
 * for `sequences`; `totals`: eight float64, lanes of `Σ w·loss`, then of `Σ w`; `spare`: 256 bytes, then twice `end` for each group.
 */
export function evenPixels(
  groups: usize,
  count: i32,
  end: usize,
  step: f32,
  table: usize,
  totals: usize,
  spare: usize,
): void {
  const stop = groups + (count as usize) * offsetof<EvenGroup>();
  let at = spare + 256;
  for (let g = groups; g < stop; g += offsetof<EvenGroup>()) {
    sequences(changetype<EvenGroup>(g), end, step, table, at);
    at += 2 * end;
  }
  at = spare + 256;
  for (let g = groups; g < stop; g += offsetof<EvenGroup>()) {
    sums(changetype<EvenGroup>(g), end, at, spare);
    at += 2 * end;
  }
  for (let g = groups; g < stop; g += offsetof<EvenGroup>()) {
    const group = changetype<EvenGroup>(g);
    factors(group, table, spare);
    addTo64(totals, halves(spare));
    addTo64(totals + 32, f32x4.add(group.weights0, group.weights1));
  }
  at = spare + 256;
  for (let g = groups; g < stop; g += offsetof<EvenGroup>()) {
    gradients(changetype<EvenGroup>(g), end, at);
    at += 2 * end;
  }
}
