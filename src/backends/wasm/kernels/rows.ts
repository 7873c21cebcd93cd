import { madd } from './lanes';

/** `to[pixel] = top + t·(bottom − top)` for a row of pixels, written with `pixelBytes` between them. */
export function lerpRow(
  top: usize,
  bottom: usize,
  stride: usize,
  t: f32,
  width: i32,
  channels: usize,
  to: usize,
  pixelBytes: usize,
): void {
  const end = channels << 2;
  const body = end & ~15;
  const t4 = f32x4.splat(t);
  for (let i = 0; i < width; i++) {
    for (let c: usize = 0; c < body; c += 16) {
      const a = v128.load(top + c);
      v128.store(to + c, madd(t4, f32x4.sub(v128.load(bottom + c), a), a));
    }
    for (let c: usize = body; c < end; c += 4) {
      const a = load<f32>(top + c);
      store<f32>(to + c, a + t * (load<f32>(bottom + c) - a));
    }
    top += stride;
    bottom += stride;
    to += pixelBytes;
  }
}

/** Adds `weight · row` to a row of coarse pixels. */
export function addRow(
  row: usize,
  pixel: usize,
  weight: f32,
  width: i32,
  channels: usize,
  to: usize,
  stride: usize,
): void {
  const end = channels << 2;
  const body = end & ~15;
  const w4 = f32x4.splat(weight);
  for (let i = 0; i < width; i++) {
    for (let c: usize = 0; c < body; c += 16) {
      v128.store(to + c, madd(w4, v128.load(row + c), v128.load(to + c)));
    }
    for (let c: usize = body; c < end; c += 4) {
      store<f32>(to + c, load<f32>(to + c) + weight * load<f32>(row + c));
    }
    row += pixel;
    to += stride;
  }
}
