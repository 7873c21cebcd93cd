import { Span } from './span';
import { Floats } from './tables';

@unmanaged
class NormalizeImageArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: Span;
  /** For each channel `1/(255·std)` and `−mean/std`. */
  coefficients: Floats;
}

export function normalizeImage(a: NormalizeImageArgs, chunk: i32, local: usize): void {
  const coefficients = a.coefficients;
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  let x = a.x + (first as usize) * a.xStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < (a.channels as usize); c++) {
      const at = coefficients + (c << 3);
      store<f32>(y + (c << 2), (load<u8>(x + c) as f32) * load<f32>(at) + load<f32>(at, 4));
    }
    x += a.xStride;
    y += a.yStride;
  }
}
