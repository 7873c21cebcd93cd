import { Span } from './span';

@unmanaged
class FillArgs {
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: Span;
  value: f32;
}

export function fill(a: FillArgs, chunk: i32, local: usize): void {
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const bytes = (a.channels as usize) << 2;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < bytes; c += 4) store<f32>(y + c, a.value);
    y += a.yStride;
  }
}
