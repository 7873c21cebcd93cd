/** What `winograd2d.ts` multiplies by. */

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

const halfRoot: f32 = 0.7071067811865476;
const root: f32 = 1.4142135623730951;

/** `G·w` of three numbers, results `step` bytes apart. */
// @ts-ignore: decorator
@inline
function transform(w0: f32, w1: f32, w2: f32, to: usize, step: usize): void {
  const a = (w0 + w2 / 2) / -3;
  const b = (halfRoot * w1) / -3;
  const c = (w0 + 2 * w2) / 6;
  const e = (root * w1) / 6;
  store<f32>(to, w0);
  store<f32>(to + step, a + b);
  store<f32>(to + 2 * step, a - b);
  store<f32>(to + 3 * step, c + e);
  store<f32>(to + 4 * step, c - e);
  store<f32>(to + 5 * step, w2);
}

/** `G·w·Gᵀ` in the order of `convPackWeights`, one coefficient after the other. One chunk: one block of 8 outputs. */
export function convPackWinograd2d(a: PackWinograd2dArgs, chunk: i32, local: usize): void {
  const first = chunk * 8;
  const outputs = min(8, a.outputs - first);
  const inputs = (a.inputs + 3) & ~3;
  let dst = a.packed + ((first * inputs) << 2);
  for (let i = 0; i < inputs; i++) {
    let w = a.w + (i as usize) * a.inputStep + (first as usize) * a.outputStep;
    for (let o = 0; o < 8; o++) {
      const real = i < a.inputs && o < outputs;
      for (let tap: usize = 0; tap < 3; tap++) {
        const at = w + tap * a.tapStep;
        const w0 = real ? load<f32>(at) : 0;
        const w1 = real ? load<f32>(at + a.rowStep) : 0;
        const w2 = real ? load<f32>(at + 2 * a.rowStep) : 0;
        transform(w0, w1, w2, local + (tap << 2), 12);
      }
      let to = dst;
      for (let line: usize = 0; line < 72; line += 12) {
        const at = local + line;
        transform(load<f32>(at), load<f32>(at, 4), load<f32>(at, 8), to, a.coefficientBytes);
        to += 6 * a.coefficientBytes;
      }
      w += a.outputStep;
      dst += 4;
    }
  }
}
