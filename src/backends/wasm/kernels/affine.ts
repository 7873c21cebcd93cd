import { madd, prelu1, prelu4 } from './lanes';

@unmanaged
class AffineArgs {
  x: usize;
  xStride: usize;
  scale: usize;
  shift: usize;
  slope: usize;
  residual: usize;
  residualStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
  sign: f32;
}

// @ts-ignore: decorator
@inline
function rows(a: AffineArgs, first: i32, last: i32, hasSlope: bool, hasResidual: bool): void {
  const channels = a.channels as usize;
  const body = (channels & ~3) << 2;
  const end = channels << 2;
  const scale = a.scale;
  const shift = a.shift;
  const slope = a.slope;
  const xStride = a.xStride;
  const yStride = a.yStride;
  const rStride = a.residualStride;
  const sign1 = a.sign;
  const sign4 = f32x4.splat(sign1);
  let x = a.x + (first as usize) * xStride;
  let y = a.y + (first as usize) * yStride;
  let r = a.residual + (first as usize) * rStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < body; c += 16) {
      let v = madd(v128.load(x + c), v128.load(scale + c), v128.load(shift + c));
      if (hasSlope) v = prelu4(v, v128.load(slope + c));
      v = hasResidual ? madd(sign4, v, v128.load(r + c)) : f32x4.mul(sign4, v);
      v128.store(y + c, v);
    }
    for (let c: usize = body; c < end; c += 4) {
      let v = load<f32>(x + c) * load<f32>(scale + c) + load<f32>(shift + c);
      if (hasSlope) v = prelu1(v, load<f32>(slope + c));
      v = hasResidual ? load<f32>(r + c) + sign1 * v : sign1 * v;
      store<f32>(y + c, v);
    }
    x += xStride;
    y += yStride;
    r += rStride;
  }
}

export function affine(a: AffineArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  if (a.slope) {
    if (a.residual) rows(a, first, last, true, true);
    else rows(a, first, last, true, false);
  } else {
    if (a.residual) rows(a, first, last, false, true);
    else rows(a, first, last, false, false);
  }
}
