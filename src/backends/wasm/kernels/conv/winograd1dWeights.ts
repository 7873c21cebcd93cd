/** What `winograd1d.ts` multiplies by, and what becomes of the sums of its weight gradient. */

import { is, madd, No, storeBoth, Yes } from '../lanes';
import { Span } from '../span';
import { storeSome } from './output';
import { weightsOffset, weightsStep } from './weights';

@unmanaged
class PackWinograd1dArgs {
  /** The weight of the convolution's first tap. */
  w: usize;
  tapStep: usize;
  inputStep: usize;
  outputStep: usize;
  inputs: i32;
  outputs: i32;
  packed: usize;
  coefficientBytes: usize;
  /** Lines of three taps. */
  lines: i32;
  lineStep: usize;
}

/** Four outputs' weights, `step` bytes apart; zeros from `rest` on. */
// @ts-ignore: decorator
@inline
function fourOf(w: usize, step: usize, rest: i32): v128 {
  if (rest >= 4) {
    if (step == 4) return v128.load(w);
    let v = v128.load32_zero(w);
    v = v128.load32_lane(w + step, v, 1);
    v = v128.load32_lane(w + 2 * step, v, 2);
    return v128.load32_lane(w + 3 * step, v, 3);
  }
  let v = f32x4.splat(0);
  if (rest > 0) v = v128.load32_lane(w, v, 0);
  if (rest > 1) v = v128.load32_lane(w + step, v, 1);
  if (rest > 2) v = v128.load32_lane(w + 2 * step, v, 2);
  return v;
}

/** `G·w` of four outputs. */
// @ts-ignore: decorator
@inline
function transformFour(w: usize, tap: usize, step: usize, rest: i32, dst: usize, bytes: usize): void {
  const w0 = fourOf(w, step, rest);
  const w1 = fourOf(w + tap, step, rest);
  const w2 = fourOf(w + 2 * tap, step, rest);
  const even = f32x4.add(w0, w2);
  const even2 = f32x4.add(w0, f32x4.mul(f32x4.splat(4), w2));
  const odd2 = f32x4.add(w1, w1);
  const sixth = f32x4.splat(-6);
  const last = f32x4.splat(24);
  v128.store(dst, f32x4.mul(w0, f32x4.splat(0.25)));
  v128.store(dst + bytes, f32x4.div(f32x4.add(even, w1), sixth));
  v128.store(dst + 2 * bytes, f32x4.div(f32x4.sub(even, w1), sixth));
  v128.store(dst + 3 * bytes, f32x4.div(f32x4.add(even2, odd2), last));
  v128.store(dst + 4 * bytes, f32x4.div(f32x4.sub(even2, odd2), last));
  v128.store(dst + 5 * bytes, w2);
}

/** `G·w` in the order of `convPackWeights`, one coefficient after the other. One chunk: one block of 8 outputs. */
export function convPackWinograd1d(a: PackWinograd1dArgs, chunk: i32, local: usize): void {
  const first = chunk * 8;
  const outputs = a.outputs - first;
  const inputs = (a.inputs + 3) & ~3;
  const bytes = a.coefficientBytes;
  const step = a.outputStep;
  const octs = (a.outputs + 7) >> 3;
  const octBytes = ((a.lines * inputs) as usize) << 5;
  const between = weightsStep(chunk, octs, octBytes);
  let dst = a.packed + weightsOffset(chunk, octs, octBytes);
  for (let line = 0; line < a.lines; line++) {
    let w = a.w + (line as usize) * a.lineStep + (first as usize) * step;
    for (let i = 0; i < a.inputs; i++) {
      transformFour(w, a.tapStep, step, outputs, dst, bytes);
      transformFour(w + 4 * step, a.tapStep, step, outputs - 4, dst + 16, bytes);
      w += a.inputStep;
      dst += between;
    }
    for (let i = a.inputs; i < inputs; i++) {
      for (let k: usize = 0; k < 6; k++) memory.fill(dst + k * bytes, 0, 32);
      dst += between;
    }
  }
}

@unmanaged
class ReduceWinograd1dArgs {
  partials: usize;
  partialBytes: usize;
  chunks: i32;
  inputs: i32;
  outputs: i32;
  gw: usize;
  /** Input channels of all lines. */
  span: Span;
}

/** Eight outputs: sums of the six coefficients over all chunks, in chunk order, then `Âᵀ` and the factors of `Ĝ`. */
// @ts-ignore: decorator
@inline
function reduceEight<Some>(
  a: ReduceWinograd1dArgs,
  from: usize,
  step: usize,
  to: usize,
  rest: i32,
  spare: usize,
): void {
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
  const end = from + (a.chunks as usize) * a.partialBytes;
  for (; from < end; from += a.partialBytes) {
    let at = from;
    a0 = f32x4.add(a0, v128.load(at));
    b0 = f32x4.add(b0, v128.load(at, 16));
    at += step;
    a1 = f32x4.add(a1, v128.load(at));
    b1 = f32x4.add(b1, v128.load(at, 16));
    at += step;
    a2 = f32x4.add(a2, v128.load(at));
    b2 = f32x4.add(b2, v128.load(at, 16));
    at += step;
    a3 = f32x4.add(a3, v128.load(at));
    b3 = f32x4.add(b3, v128.load(at, 16));
    at += step;
    a4 = f32x4.add(a4, v128.load(at));
    b4 = f32x4.add(b4, v128.load(at, 16));
    at += step;
    a5 = f32x4.add(a5, v128.load(at));
    b5 = f32x4.add(b5, v128.load(at, 16));
  }
  const sixth = f32x4.splat(-1.0 / 6);
  const last = f32x4.splat(1.0 / 24);
  a0 = f32x4.mul(a0, f32x4.splat(1.0 / 4));
  b0 = f32x4.mul(b0, f32x4.splat(1.0 / 4));
  a1 = f32x4.mul(a1, sixth);
  b1 = f32x4.mul(b1, sixth);
  a2 = f32x4.mul(a2, sixth);
  b2 = f32x4.mul(b2, sixth);
  a3 = f32x4.mul(a3, last);
  b3 = f32x4.mul(b3, last);
  a4 = f32x4.mul(a4, last);
  b4 = f32x4.mul(b4, last);
  const pA = f32x4.add(a1, a2);
  const pB = f32x4.add(b1, b2);
  const qA = f32x4.add(a3, a4);
  const qB = f32x4.add(b3, b4);
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const tap = ((a.inputs * a.outputs) << 2) as usize;
  const secondA = madd(two, f32x4.sub(a3, a4), f32x4.sub(a1, a2));
  const secondB = madd(two, f32x4.sub(b3, b4), f32x4.sub(b1, b2));
  const thirdA = f32x4.add(madd(four, qA, pA), a5);
  const thirdB = f32x4.add(madd(four, qB, pB), b5);
  store8<Some>(to, f32x4.add(a0, f32x4.add(pA, qA)), f32x4.add(b0, f32x4.add(pB, qB)), rest, spare);
  store8<Some>(to + tap, secondA, secondB, rest, spare);
  store8<Some>(to + 2 * tap, thirdA, thirdB, rest, spare);
}

// @ts-ignore: decorator
@inline
function store8<Some>(to: usize, low: v128, high: v128, rest: i32, spare: usize): void {
  if (is<Some>()) storeSome(to, low, high, rest, spare);
  else storeBoth(to, low, high);
}

function reduceWhole(a: ReduceWinograd1dArgs, from: usize, step: usize, to: usize): void {
  for (let o = 0; o + 8 <= a.outputs; o += 8) {
    reduceEight<No>(a, from, step, to, 8, 0);
    from += 32;
    to += 32;
  }
}

/** Adds the partials in chunk order and applies `Âᵀ` and the factors of `Ĝ`. */
export function convReduceWinograd1d(a: ReduceWinograd1dArgs, chunk: i32, local: usize): void {
  const row = (((a.outputs + 7) & ~7) << 2) as usize;
  const inputs = (a.inputs + 3) & ~3;
  const lines = a.span.count / a.inputs;
  const step = ((lines * inputs) as usize) * row;
  const tap = ((a.inputs * a.outputs) << 2) as usize;
  const rest = a.outputs & 7;
  const whole = ((a.outputs & ~7) << 2) as usize;
  const last = a.span.last(chunk);
  for (let r = a.span.first(chunk); r < last; r++) {
    const line = r / a.inputs;
    const i = r - line * a.inputs;
    const from = a.partials + ((line * inputs + i) as usize) * row;
    const to = a.gw + 3 * (line as usize) * tap + (((i * a.outputs) << 2) as usize);
    reduceWhole(a, from, step, to);
    if (rest) reduceEight<Yes>(a, from + whole, step, to + whole, rest, local);
  }
}
