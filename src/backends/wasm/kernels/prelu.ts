import { prelu1, prelu4 } from './lanes';

@unmanaged
class PreluArgs {
  x: usize;
  xStride: usize;
  slope: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
}

export function prelu(a: PreluArgs, chunk: i32, local: usize): void {
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  const slope = a.slope;
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  let x = a.x + (first as usize) * a.xStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < body; c += 16) {
      v128.store(y + c, prelu4(v128.load(x + c), v128.load(slope + c)));
    }
    for (let c: usize = body; c < end; c += 4) {
      store<f32>(y + c, prelu1(load<f32>(x + c), load<f32>(slope + c)));
    }
    x += a.xStride;
    y += a.yStride;
  }
}
