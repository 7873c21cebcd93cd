import { Span } from './span';

@unmanaged
class RescaleArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: Span;
  factor: usize;
  invert: i32;
}

export function rescale(a: RescaleArgs, chunk: i32, local: usize): void {
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const end = (a.channels as usize) << 2;
  const factor = load<f32>(a.factor);
  const invert = a.invert != 0;
  let x = a.x + (first as usize) * a.xStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < end; c += 4) {
      const value = load<f32>(x + c);
      store<f32>(y + c, invert ? value / factor : value * factor);
    }
    x += a.xStride;
    y += a.yStride;
  }
}
