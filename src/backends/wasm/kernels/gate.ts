import { madd } from './lanes';

@unmanaged
class MultiplyArgs {
  a: usize;
  aStride: usize;
  b: usize;
  bStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
  /** Pixels that share a pixel of `b`: 1, or those of an image. */
  shared: i32;
}

export function multiply(a: MultiplyArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  let p = a.a + (first as usize) * a.aStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    const q = a.b + ((pixel / a.shared) as usize) * a.bStride;
    for (let c: usize = 0; c < body; c += 16) {
      v128.store(y + c, f32x4.mul(v128.load(p + c), v128.load(q + c)));
    }
    for (let c: usize = body; c < end; c += 4) store<f32>(y + c, load<f32>(p + c) * load<f32>(q + c));
    p += a.aStride;
    y += a.yStride;
  }
}

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
