import { firstFloats, secondFloats, thirdFloats } from './bytes';
import { storeBoth } from './lanes';
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
  let pixel = first;
  if (a.channels == 3 && a.xStride == 3 && a.yStride == 12) {
    // Four pixels a turn, three vectors of which no lane is alike. Sixteen bytes are read of twelve.
    const r = load<f32>(coefficients);
    const r0 = load<f32>(coefficients, 4);
    const g = load<f32>(coefficients, 8);
    const g0 = load<f32>(coefficients, 12);
    const b = load<f32>(coefficients, 16);
    const b0 = load<f32>(coefficients, 20);
    const scale0 = f32x4(r, g, b, r);
    const scale1 = f32x4(g, b, r, g);
    const scale2 = f32x4(b, r, g, b);
    const shift0 = f32x4(r0, g0, b0, r0);
    const shift1 = f32x4(g0, b0, r0, g0);
    const shift2 = f32x4(b0, r0, g0, b0);
    for (; pixel + 6 <= last; pixel += 4) {
      const bytes = v128.load(x);
      const v0 = firstFloats(bytes);
      const v1 = secondFloats(bytes);
      const v2 = thirdFloats(bytes);
      storeBoth(y, f32x4.add(f32x4.mul(v0, scale0), shift0), f32x4.add(f32x4.mul(v1, scale1), shift1));
      v128.store(y, f32x4.add(f32x4.mul(v2, scale2), shift2), 32);
      x += 12;
      y += 48;
    }
  }
  for (; pixel < last; pixel++) {
    for (let c: usize = 0; c < (a.channels as usize); c++) {
      const at = coefficients + (c << 3);
      store<f32>(y + (c << 2), (load<u8>(x + c) as f32) * load<f32>(at) + load<f32>(at, 4));
    }
    x += a.xStride;
    y += a.yStride;
  }
}
