import { Span } from './span';

@unmanaged
class CopyArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  /** Of one pixel. */
  bytes: usize;
  pixels: Span;
}

/** Between pixel strides; `copyDense` where there are none. */
export function copy(a: CopyArgs, chunk: i32, local: usize): void {
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
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
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const from = (first as usize) * a.bytes;
  memory.copy(a.y + from, a.x + from, ((last - first) as usize) * a.bytes);
}
