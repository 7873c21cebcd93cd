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

/** Numbers of the three channels, eight bytes apart, in turn, from channel `first` on. */
// @ts-ignore: decorator
@inline
function around(table: usize, first: i32): v128 {
  const c0 = load<f32>(table + (((first % 3) as usize) << 3));
  const c1 = load<f32>(table + ((((first + 1) % 3) as usize) << 3));
  const c2 = load<f32>(table + ((((first + 2) % 3) as usize) << 3));
  return f32x4.replace_lane(f32x4.replace_lane(f32x4.replace_lane(f32x4.splat(c0), 1, c1), 2, c2), 3, c0);
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
    const scale0 = around(coefficients, 0);
    const scale1 = around(coefficients, 1);
    const scale2 = around(coefficients, 2);
    const shift0 = around(coefficients + 4, 0);
    const shift1 = around(coefficients + 4, 1);
    const shift2 = around(coefficients + 4, 2);
    for (; pixel + 6 <= last; pixel += 4) {
      const bytes = v128.load(x);
      const low = i16x8.extend_low_i8x16_u(bytes);
      const v0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low));
      const v1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low));
      const v2 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_high_i8x16_u(bytes)));
      v128.store(y, f32x4.add(f32x4.mul(v0, scale0), shift0));
      v128.store(y, f32x4.add(f32x4.mul(v1, scale1), shift1), 16);
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
