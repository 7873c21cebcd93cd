@unmanaged
class ReluGradArgs {
  /** The result of the ReLU. */
  result: usize;
  resultStride: usize;
  g: usize;
  gStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
}

export function reluGrad(a: ReluGradArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  const zero = f32x4.splat(0);
  let x = a.result + (first as usize) * a.resultStride;
  let g = a.g + (first as usize) * a.gStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < body; c += 16) {
      v128.store(y + c, v128.and(v128.load(g + c), f32x4.gt(v128.load(x + c), zero)));
    }
    for (let c: usize = body; c < end; c += 4) {
      store<f32>(y + c, load<f32>(x + c) > 0 ? load<f32>(g + c) : 0);
    }
    x += a.resultStride;
    g += a.gStride;
    y += a.yStride;
  }
}
