/** What `winograd2d.ts` multiplies by. */

import { storeBoth } from '../lanes';
import { weightsOffset, weightsStep } from './weights';
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

/** `G·w` of eight outputs, `w…` 32 bytes apart, results `step` bytes apart; in pairs for 256 bits, constants from memory. */
// @ts-ignore: decorator
@inline
function transformEight(w: usize, to: usize, step: usize, constants: usize): void {
  const p0 = v128.load(w);
  const q0 = v128.load(w, 16);
  const p1 = v128.load(w, 32);
  const q1 = v128.load(w, 48);
  const p2 = v128.load(w, 64);
  const q2 = v128.load(w, 80);
  const half = v128.load(constants);
  const minusThree = v128.load(constants, 16);
  const six = v128.load(constants, 32);
  const halfRoots = v128.load(constants, 48);
  const roots = v128.load(constants, 64);
  const pa = f32x4.div(f32x4.add(p0, f32x4.mul(p2, half)), minusThree);
  const qa = f32x4.div(f32x4.add(q0, f32x4.mul(q2, half)), minusThree);
  const pb = f32x4.div(f32x4.mul(halfRoots, p1), minusThree);
  const qb = f32x4.div(f32x4.mul(halfRoots, q1), minusThree);
  const pc = f32x4.div(f32x4.add(p0, f32x4.add(p2, p2)), six);
  const qc = f32x4.div(f32x4.add(q0, f32x4.add(q2, q2)), six);
  const pe = f32x4.div(f32x4.mul(roots, p1), six);
  const qe = f32x4.div(f32x4.mul(roots, q1), six);
  storeBoth(to, p0, q0);
  storeBoth(to + step, f32x4.add(pa, pb), f32x4.add(qa, qb));
  storeBoth(to + 2 * step, f32x4.sub(pa, pb), f32x4.sub(qa, qb));
  storeBoth(to + 3 * step, f32x4.add(pc, pe), f32x4.add(qc, qe));
  storeBoth(to + 4 * step, f32x4.sub(pc, pe), f32x4.sub(qc, qe));
  storeBoth(to + 5 * step, p2, q2);
}

/** Eight weights from one input to outputs, `count` of them real, to `dst`. */
function gather(w: usize, step: usize, count: i32, dst: usize): void {
  if (step == 4 && count == 8) {
    storeBoth(dst, v128.load(w), v128.load(w, 16));
    return;
  }
  for (let o = 0; o < 8; o++) {
    store<f32>(dst + ((o as usize) << 2), o < count ? load<f32>(w + (o as usize) * step) : 0);
  }
}

/** Bytes of the nine taps of eight outputs; of the columns that they become; of constants, and of all that. */
const tapsBytes: usize = 288;
const columnsBytes: usize = 576;
export const packBytes: usize = 944;

/** `G·w·Gᵀ` in the order of `convPackWeights`, one coefficient after the other. One chunk: one block of 8 outputs. */
export function convPackWinograd2d(a: PackWinograd2dArgs, chunk: i32, local: usize): void {
  const first = chunk * 8;
  const octs = (a.outputs + 7) >> 3;
  const outputs = min(8, a.outputs - first);
  const inputs = (a.inputs + 3) & ~3;
  const columns = local + tapsBytes;
  const constants = columns + columnsBytes;
  storeBoth(constants, f32x4.splat(0.5), f32x4.splat(-3));
  storeBoth(constants + 32, f32x4.splat(6), f32x4.splat(halfRoot));
  v128.store(constants, f32x4.splat(root), 64);
  const bytes = (inputs as usize) << 5;
  const step = weightsStep(chunk, octs, bytes);
  let dst = a.packed + weightsOffset(chunk, octs, bytes);
  let w = a.w + (first as usize) * a.outputStep;
  for (let i = 0; i < inputs; i++) {
    for (let tap: usize = 0; tap < 3; tap++) {
      const taps = local + 96 * tap;
      for (let row: usize = 0; row < 3; row++) {
        gather(w + tap * a.tapStep + row * a.rowStep, a.outputStep, i < a.inputs ? outputs : 0, taps + 32 * row);
      }
      transformEight(taps, columns + 32 * tap, 96, constants);
    }
    let to = dst;
    for (let line: usize = 0; line < columnsBytes; line += 96) {
      transformEight(columns + line, to, a.coefficientBytes, constants);
      to += 6 * a.coefficientBytes;
    }
    w += a.inputStep;
    dst += step;
  }
}
