/** What `winograd1d.ts` multiplies by, and what becomes of the sums of its weight gradient. */

import { madd } from '../lanes';
import { storeLanes } from './output';

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

/** `G·w` in the order of `convPackWeights`, one coefficient after the other. One chunk: one block of 8 outputs. */
export function convPackWinograd1d(a: PackWinograd1dArgs, chunk: i32, local: usize): void {
  const first = chunk * 8;
  const outputs = min(8, a.outputs - first);
  const inputs = (a.inputs + 3) & ~3;
  const bytes = a.coefficientBytes;
  const rows = a.lines * inputs;
  let dst = a.packed + ((first * rows) << 2);
  for (let row = 0; row < rows; row++) {
    const line = row / inputs;
    const i = row - line * inputs;
    let w = a.w + (line as usize) * a.lineStep + (i as usize) * a.inputStep + (first as usize) * a.outputStep;
    for (let o = 0; o < 8; o++) {
      const real = i < a.inputs && o < outputs;
      const w0 = real ? load<f32>(w) : 0;
      const w1 = real ? load<f32>(w + a.tapStep) : 0;
      const w2 = real ? load<f32>(w + 2 * a.tapStep) : 0;
      const even = w0 + w2;
      const even2 = w0 + 4 * w2;
      store<f32>(dst, w0 / 4);
      store<f32>(dst + bytes, (even + w1) / -6);
      store<f32>(dst + 2 * bytes, (even - w1) / -6);
      store<f32>(dst + 3 * bytes, (even2 + 2 * w1) / 24);
      store<f32>(dst + 4 * bytes, (even2 - 2 * w1) / 24);
      store<f32>(dst + 5 * bytes, w2);
      w += a.outputStep;
      dst += 4;
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
  lines: i32;
}

/** Sum of one coefficient over all chunks, in chunk order. */
function sumPartials(a: ReduceWinograd1dArgs, at: usize): v128 {
  let sum = f32x4.splat(0);
  for (let c = 0; c < a.chunks; c++) {
    sum = f32x4.add(sum, v128.load(at));
    at += a.partialBytes;
  }
  return sum;
}

/** Adds the partials in chunk order and applies `Âᵀ` and the factors of `Ĝ`. One chunk: one input channel of one line. */
export function convReduceWinograd1d(a: ReduceWinograd1dArgs, chunk: i32, local: usize): void {
  const row = ((a.outputs + 7) & ~7) << 2;
  const inputs = (a.inputs + 3) & ~3;
  const step = (a.lines * inputs * row) as usize;
  const tap = ((a.inputs * a.outputs) << 2) as usize;
  const line = chunk / a.inputs;
  const i = chunk - line * a.inputs;
  const from = a.partials + (((line * inputs + i) * row) as usize);
  const to = a.gw + 3 * (line as usize) * tap + (((i * a.outputs) << 2) as usize);
  for (let o = 0; o < a.outputs; o += 4) {
    const at = from + ((o << 2) as usize);
    const u0 = f32x4.mul(sumPartials(a, at), f32x4.splat(1.0 / 4));
    const u1 = f32x4.mul(sumPartials(a, at + step), f32x4.splat(-1.0 / 6));
    const u2 = f32x4.mul(sumPartials(a, at + 2 * step), f32x4.splat(-1.0 / 6));
    const u3 = f32x4.mul(sumPartials(a, at + 3 * step), f32x4.splat(1.0 / 24));
    const u4 = f32x4.mul(sumPartials(a, at + 4 * step), f32x4.splat(1.0 / 24));
    const u5 = sumPartials(a, at + 5 * step);
    const p = f32x4.add(u1, u2);
    const q = f32x4.add(u3, u4);
    const w0 = f32x4.add(u0, f32x4.add(p, q));
    const w1 = madd(f32x4.splat(2), f32x4.sub(u3, u4), f32x4.sub(u1, u2));
    const w2 = f32x4.add(madd(f32x4.splat(4), q, p), u5);
    const dst = to + ((o << 2) as usize);
    storeLanes(dst, w0, a.outputs - o);
    storeLanes(dst + tap, w1, a.outputs - o);
    storeLanes(dst + 2 * tap, w2, a.outputs - o);
  }
}
