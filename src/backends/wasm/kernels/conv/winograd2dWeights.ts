/** What `winograd2d.ts` multiplies by. */

import { halfRoot, root } from './winograd2dArgs';

@unmanaged
class PackWinograd2dArgs {
  /** The weight of the first tap; steps in bytes. */
  w: usize;
  tapStep: usize;
  rowStep: usize;
  inputStep: usize;
  outputStep: usize;
  inputs: i32;
  outputs: i32;
  packed: usize;
  coefficientBytes: usize;
}

/** `G·w` of three vectors, results `step` bytes apart. */
// @ts-ignore: decorator
@inline
function transform(w0: v128, w1: v128, w2: v128, to: usize, step: usize): void {
  const minusThree = f32x4.splat(-3);
  const six = f32x4.splat(6);
  const a = f32x4.div(f32x4.add(w0, f32x4.mul(w2, f32x4.splat(0.5))), minusThree);
  const b = f32x4.div(f32x4.mul(f32x4.splat(halfRoot), w1), minusThree);
  const c = f32x4.div(f32x4.add(w0, f32x4.add(w2, w2)), six);
  const e = f32x4.div(f32x4.mul(f32x4.splat(root), w1), six);
  v128.store(to, w0);
  v128.store(to + step, f32x4.add(a, b));
  v128.store(to + 2 * step, f32x4.sub(a, b));
  v128.store(to + 3 * step, f32x4.add(c, e));
  v128.store(to + 4 * step, f32x4.sub(c, e));
  v128.store(to + 5 * step, w2);
}

/** The same of eight outputs, `w…` 32 bytes apart. */
function transformEight(w: usize, to: usize, step: usize): void {
  for (let half: usize = 0; half < 32; half += 16) {
    const at = w + half;
    transform(v128.load(at), v128.load(at, 32), v128.load(at, 64), to + half, step);
  }
}

/** Eight weights from one input to outputs, `count` of them real, to `dst`. */
function gather(w: usize, step: usize, count: i32, dst: usize): void {
  if (step == 4 && count == 8) {
    v128.store(dst, v128.load(w));
    v128.store(dst, v128.load(w, 16), 16);
    return;
  }
  for (let o = 0; o < 8; o++) {
    store<f32>(dst + ((o as usize) << 2), o < count ? load<f32>(w + (o as usize) * step) : 0);
  }
}

/** Bytes of the nine taps of eight outputs, and of these with the columns that they become. */
const tapsBytes: usize = 288;
export const packBytes: usize = 864;

/** `G·w·Gᵀ` in the order of `convPackWeights`, one coefficient after the other. One chunk: one block of 8 outputs. */
export function convPackWinograd2d(a: PackWinograd2dArgs, chunk: i32, local: usize): void {
  const first = chunk * 8;
  const outputs = min(8, a.outputs - first);
  const inputs = (a.inputs + 3) & ~3;
  const columns = local + tapsBytes;
  let dst = a.packed + ((first * inputs) << 2);
  let w = a.w + (first as usize) * a.outputStep;
  for (let i = 0; i < inputs; i++) {
    for (let tap: usize = 0; tap < 3; tap++) {
      const taps = local + 96 * tap;
      for (let row: usize = 0; row < 3; row++) {
        gather(w + tap * a.tapStep + row * a.rowStep, a.outputStep, i < a.inputs ? outputs : 0, taps + 32 * row);
      }
      transformEight(taps, columns + 32 * tap, 96);
    }
    let to = dst;
    for (let line: usize = 0; line < 576; line += 96) {
      transformEight(columns + line, to, a.coefficientBytes);
      to += 6 * a.coefficientBytes;
    }
    w += a.inputStep;
    dst += 32;
  }
}
