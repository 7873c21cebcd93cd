import { madd } from './lanes';

@unmanaged
class CopyArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  /** Of one pixel. */
  bytes: usize;
  pixels: i32;
  perChunk: i32;
}

/** Between pixel strides; `copyDense` where there are none. */
export function copy(a: CopyArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const bytes = a.bytes;
  let x = a.x + (first as usize) * a.xStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) v128.store(y + i, v128.load(x + i));
    for (; i + 4 <= bytes; i += 4) store<u32>(y + i, load<u32>(x + i));
    for (; i < bytes; i++) store<u8>(y + i, load<u8>(x + i));
    x += a.xStride;
    y += a.yStride;
  }
}

export function copyDense(a: CopyArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const from = (first as usize) * a.bytes;
  memory.copy(a.y + from, a.x + from, ((last - first) as usize) * a.bytes);
}

@unmanaged
class AddArgs {
  a: usize;
  aStride: usize;
  b: usize;
  bStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
  sign: f32;
}

export function add(a: AddArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  const sign1 = a.sign;
  const sign4 = f32x4.splat(sign1);
  let p = a.a + (first as usize) * a.aStride;
  let q = a.b + (first as usize) * a.bStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < body; c += 16) {
      v128.store(y + c, madd(sign4, v128.load(q + c), v128.load(p + c)));
    }
    for (let c: usize = body; c < end; c += 4) {
      store<f32>(y + c, load<f32>(p + c) + sign1 * load<f32>(q + c));
    }
    p += a.aStride;
    q += a.bStride;
    y += a.yStride;
  }
}

@unmanaged
class ScaleArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
  factor: f32;
}

export function scale(a: ScaleArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  const factor1 = a.factor;
  const factor4 = f32x4.splat(factor1);
  let x = a.x + (first as usize) * a.xStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < body; c += 16) v128.store(y + c, f32x4.mul(factor4, v128.load(x + c)));
    for (let c: usize = body; c < end; c += 4) store<f32>(y + c, factor1 * load<f32>(x + c));
    x += a.xStride;
    y += a.yStride;
  }
}
