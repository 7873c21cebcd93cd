import { madd, storeBoth } from './lanes';
import { addTo64, addTo64Scalar, runPixels } from './partials';
import { Span } from './span';

@unmanaged
class SumPixelsArgs {
  x: usize;
  xStride: usize;
  channels: i32;
  pixels: Span;
  partials: usize;
  blockBytes: usize;
}

/** Partial sums of `sumPixels`. */
export function sumPixels(a: SumPixelsArgs, chunk: i32, local: usize): void {
  const channels = a.channels as usize;
  const stride = a.xStride;
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const out = a.partials + (chunk as usize) * a.blockBytes;
  memory.fill(out, 0, channels << 3);
  for (let from = first; from < last; from += runPixels) {
    const count = min(runPixels, last - from);
    const row = a.x + (from as usize) * stride;
    let c: usize = 0;
    for (; c + 16 <= channels; c += 16) {
      let x = row + (c << 2);
      let s0 = f32x4.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (let i = 0; i < count; i++) {
        s0 = f32x4.add(s0, v128.load(x));
        s1 = f32x4.add(s1, v128.load(x, 16));
        s2 = f32x4.add(s2, v128.load(x, 32));
        s3 = f32x4.add(s3, v128.load(x, 48));
        x += stride;
      }
      const to = out + (c << 3);
      addTo64(to, s0);
      addTo64(to + 32, s1);
      addTo64(to + 64, s2);
      addTo64(to + 96, s3);
    }
    for (; c + 4 <= channels; c += 4) {
      let x = row + (c << 2);
      let s = f32x4.splat(0);
      for (let i = 0; i < count; i++) {
        s = f32x4.add(s, v128.load(x));
        x += stride;
      }
      addTo64(out + (c << 3), s);
    }
    for (; c < channels; c++) {
      let x = row + (c << 2);
      let s: f32 = 0;
      for (let i = 0; i < count; i++) {
        s += load<f32>(x);
        x += stride;
      }
      addTo64Scalar(out + (c << 3), s);
    }
  }
}

@unmanaged
class PreluGradArgs {
  x: usize;
  xStride: usize;
  gy: usize;
  gyStride: usize;
  gx: usize;
  gxStride: usize;
  slope: usize;
  channels: i32;
  pixels: Span;
  partials: usize;
  blockBytes: usize;
}

/** `gx` of `preluGrad`, and partial sums of `gslope`. */
export function preluGrad(a: PreluGradArgs, chunk: i32, local: usize): void {
  const channels = a.channels as usize;
  const xStride = a.xStride;
  const gyStride = a.gyStride;
  const gxStride = a.gxStride;
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const out = a.partials + (chunk as usize) * a.blockBytes;
  const zero = f32x4.splat(0);
  memory.fill(out, 0, channels << 3);
  for (let from = first; from < last; from += runPixels) {
    const count = min(runPixels, last - from);
    const xRow = a.x + (from as usize) * xStride;
    const gyRow = a.gy + (from as usize) * gyStride;
    const gxRow = a.gx + (from as usize) * gxStride;
    let c: usize = 0;
    for (; c + 8 <= channels; c += 8) {
      let x = xRow + (c << 2);
      let gy = gyRow + (c << 2);
      let gx = gxRow + (c << 2);
      const slope0 = v128.load(a.slope + (c << 2));
      const slope1 = v128.load(a.slope + (c << 2), 16);
      let s0 = zero;
      let s1 = zero;
      for (let i = 0; i < count; i++) {
        const x0 = v128.load(x);
        const x1 = v128.load(x, 16);
        const g0 = v128.load(gy);
        const g1 = v128.load(gy, 16);
        s0 = madd(f32x4.pmin(x0, zero), g0, s0);
        s1 = madd(f32x4.pmin(x1, zero), g1, s1);
        storeBoth(
          gx,
          v128.bitselect(g0, f32x4.mul(g0, slope0), f32x4.gt(x0, zero)),
          v128.bitselect(g1, f32x4.mul(g1, slope1), f32x4.gt(x1, zero)),
        );
        x += xStride;
        gy += gyStride;
        gx += gxStride;
      }
      addTo64(out + (c << 3), s0);
      addTo64(out + (c << 3) + 32, s1);
    }
    for (; c < channels; c++) {
      let x = xRow + (c << 2);
      let gy = gyRow + (c << 2);
      let gx = gxRow + (c << 2);
      const slope = load<f32>(a.slope + (c << 2));
      let s: f32 = 0;
      for (let i = 0; i < count; i++) {
        const v = load<f32>(x);
        const g = load<f32>(gy);
        if (v > 0) {
          store<f32>(gx, g);
        } else {
          s += v * g;
          store<f32>(gx, slope * g);
        }
        x += xStride;
        gy += gyStride;
        gx += gxStride;
      }
      addTo64Scalar(out + (c << 3), s);
    }
  }
}
