import { madd } from './lanes';

@unmanaged
class MultiplySumArgs {
  a: usize;
  aStride: usize;
  b: usize;
  bStride: usize;
  sum: usize;
  sumStride: usize;
  channels: i32;
  /** Of one image. */
  height: i32;
  width: i32;
  /** Blocks of 16 channels. */
  blocks: i32;
}

/** One chunk: 16 channels of one image. Rows are summed first, which keeps the rounding small. */
export function multiplySum(s: MultiplySumArgs, chunk: i32, local: usize): void {
  const image = chunk / s.blocks;
  const from = (chunk % s.blocks) * 16;
  const to = min(from + 16, s.channels);
  const start = (image * s.height * s.width) as usize;
  const out = s.sum + (image as usize) * s.sumStride;
  let channel = from;
  for (; channel + 4 <= to; channel += 4) {
    const at = (channel as usize) << 2;
    let p = s.a + start * s.aStride + at;
    let q = s.b + start * s.bStride + at;
    let total = f32x4.splat(0);
    for (let row = 0; row < s.height; row++) {
      let sum = f32x4.splat(0);
      for (let column = 0; column < s.width; column++) {
        sum = madd(v128.load(p), v128.load(q), sum);
        p += s.aStride;
        q += s.bStride;
      }
      total = f32x4.add(total, sum);
    }
    v128.store(out + at, total);
  }
  for (; channel < to; channel++) {
    const at = (channel as usize) << 2;
    let p = s.a + start * s.aStride + at;
    let q = s.b + start * s.bStride + at;
    let total: f32 = 0;
    for (let row = 0; row < s.height; row++) {
      let sum: f32 = 0;
      for (let column = 0; column < s.width; column++) {
        sum += load<f32>(p) * load<f32>(q);
        p += s.aStride;
        q += s.bStride;
      }
      total += sum;
    }
    store<f32>(out + at, total);
  }
}
