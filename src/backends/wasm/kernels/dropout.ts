@unmanaged
class CountStepArgs {
  counter: usize;
  next: usize;
}

export function countStep(a: CountStepArgs, chunk: i32, local: usize): void {
  store<f32>(a.next, load<f32>(a.counter) + 1);
}

@unmanaged
class DropoutMaskArgs {
  step: usize;
  mask: usize;
  maskStride: usize;
  channels: i32;
  pixels: i32;
  seed: u32;
  threshold: u32;
  kept: f32;
}

/** PCG-RXS-M-XS-32; see `ops/dropout.ts`. */
// @ts-ignore: decorator
@inline
function permute(value: u32): u32 {
  const state = value * 747796405 + 2891336453;
  const word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737;
  return (word >> 22) ^ word;
}

export function dropoutMask(a: DropoutMaskArgs, chunk: i32, local: usize): void {
  let element = permute(permute(a.seed) + (load<f32>(a.step) as u32));
  for (let pixel = 0; pixel < a.pixels; pixel++) {
    const to = a.mask + (pixel as usize) * a.maskStride;
    for (let c = 0; c < a.channels; c++) {
      store<f32>(to + ((c as usize) << 2), permute(element) < a.threshold ? <f32>0 : a.kept);
      element++;
    }
  }
}
