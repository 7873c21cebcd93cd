import { is, madd, No, storeBoth, Yes } from './lanes';
import { addBothTo64, addTo64Scalar, runPixels } from './partials';
import { Span } from './span';

@unmanaged
class BatchNormGradArgs {
  x: usize;
  xStride: usize;
  gy: usize;
  gyStride: usize;
  gx: usize;
  gxStride: usize;
  mean: usize;
  rstd: usize;
  gamma: usize;
  beta: usize;
  /** 0: no PReLU. */
  slope: usize;
  ggamma: usize;
  gbeta: usize;
  gslope: usize;
  channels: i32;
  pixels: Span;
  chunks: i32;
  /** Per chunk float64 sums per channel: `gz`, `gz·(x − mean)`, `gy·min(z, 0)`. */
  partials: usize;
  blockBytes: usize;
  /** float32 rows of `channels`, padded to `coefficientBytes`: scale, then k0 and k1 of `gx = scale·gz + k1·d + k0`. */
  coefficients: usize;
  coefficientBytes: usize;
}

function reduceRun<Activate>(a: BatchNormGradArgs, from: i32, count: i32, out: usize, spare: usize): void {
  const hasSlope = is<Activate>();
  const channels = a.channels as usize;
  const row = channels << 3;
  const xStride = a.xStride;
  const gyStride = a.gyStride;
  const xRow = a.x + (from as usize) * xStride;
  const gyRow = a.gy + (from as usize) * gyStride;
  const zero = f32x4.splat(0);
  let c: usize = 0;
  for (; c + 8 <= channels; c += 8) {
    const b = c << 2;
    let x = xRow + b;
    let gy = gyRow + b;
    const mean0 = v128.load(a.mean + b);
    const mean1 = v128.load(a.mean + b, 16);
    let beta0 = zero;
    let beta1 = zero;
    let gamma0 = zero;
    let gamma1 = zero;
    let slope0 = zero;
    let slope1 = zero;
    if (hasSlope) {
      const scale0 = f32x4.mul(v128.load(a.gamma + b), v128.load(a.rstd + b));
      const scale1 = f32x4.mul(v128.load(a.gamma + b, 16), v128.load(a.rstd + b, 16));
      const shift0 = v128.load(a.beta + b);
      const shift1 = v128.load(a.beta + b, 16);
      const s0 = v128.load(a.slope + b);
      const s1 = v128.load(a.slope + b, 16);
      for (let i = 0; i < count; i++) {
        const d0 = f32x4.sub(v128.load(x), mean0);
        const g0 = v128.load(gy);
        const z0 = madd(scale0, d0, shift0);
        const gz0 = v128.bitselect(g0, f32x4.mul(g0, s0), f32x4.gt(z0, zero));
        beta0 = f32x4.add(beta0, gz0);
        gamma0 = madd(gz0, d0, gamma0);
        slope0 = madd(g0, f32x4.pmin(z0, zero), slope0);
        const d1 = f32x4.sub(v128.load(x, 16), mean1);
        const g1 = v128.load(gy, 16);
        const z1 = madd(scale1, d1, shift1);
        const gz1 = v128.bitselect(g1, f32x4.mul(g1, s1), f32x4.gt(z1, zero));
        beta1 = f32x4.add(beta1, gz1);
        gamma1 = madd(gz1, d1, gamma1);
        slope1 = madd(g1, f32x4.pmin(z1, zero), slope1);
        x += xStride;
        gy += gyStride;
      }
    } else {
      for (let i = 0; i < count; i++) {
        const g0 = v128.load(gy);
        const g1 = v128.load(gy, 16);
        beta0 = f32x4.add(beta0, g0);
        beta1 = f32x4.add(beta1, g1);
        gamma0 = madd(g0, f32x4.sub(v128.load(x), mean0), gamma0);
        gamma1 = madd(g1, f32x4.sub(v128.load(x, 16), mean1), gamma1);
        x += xStride;
        gy += gyStride;
      }
    }
    const to = out + (c << 3);
    addBothTo64(to, beta0, beta1, spare);
    addBothTo64(to + row, gamma0, gamma1, spare);
    if (hasSlope) addBothTo64(to + 2 * row, slope0, slope1, spare);
  }
  for (; c < channels; c++) {
    const b = c << 2;
    let x = xRow + b;
    let gy = gyRow + b;
    const mean = load<f32>(a.mean + b);
    const scale = load<f32>(a.gamma + b) * load<f32>(a.rstd + b);
    const shift = load<f32>(a.beta + b);
    const s: f32 = hasSlope ? load<f32>(a.slope + b) : 1;
    let beta: f32 = 0;
    let gamma: f32 = 0;
    let slope: f32 = 0;
    for (let i = 0; i < count; i++) {
      const d = load<f32>(x) - mean;
      const g = load<f32>(gy);
      const z = scale * d + shift;
      const gz = z > 0 ? g : s * g;
      beta += gz;
      gamma += gz * d;
      slope += g * min<f32>(z, 0);
      x += xStride;
      gy += gyStride;
    }
    addTo64Scalar(out + (c << 3), beta);
    addTo64Scalar(out + (c << 3) + row, gamma);
    addTo64Scalar(out + (c << 3) + 2 * row, slope);
  }
}

export function batchNormGradReduce(a: BatchNormGradArgs, chunk: i32, local: usize): void {
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const out = a.partials + (chunk as usize) * a.blockBytes;
  memory.fill(out, 0, (a.channels as usize) * 24);
  for (let from = first; from < last; from += runPixels) {
    const count = min(runPixels, last - from);
    if (a.slope) reduceRun<Yes>(a, from, count, out, local);
    else reduceRun<No>(a, from, count, out, local);
  }
}

/** Adds the chunks in order; parameter gradients and the coefficients of `gx`. */
export function batchNormGradJoin(a: BatchNormGradArgs, chunk: i32, local: usize): void {
  const channels = a.channels as usize;
  const row = channels << 3;
  const count = a.pixels.count as f64;
  for (let c: usize = 0; c < channels; c++) {
    const b = c << 2;
    let at = a.partials + (c << 3);
    let beta: f64 = 0;
    let gamma: f64 = 0;
    let slope: f64 = 0;
    for (let i = 0; i < a.chunks; i++) {
      beta += load<f64>(at);
      gamma += load<f64>(at + row);
      slope += load<f64>(at + 2 * row);
      at += a.blockBytes;
    }
    const rstd = load<f32>(a.rstd + b) as f64;
    const scale = (load<f32>(a.gamma + b) as f64) * rstd;
    store<f32>(a.gbeta + b, beta as f32);
    store<f32>(a.ggamma + b, (gamma * rstd) as f32);
    store<f32>(a.gslope + b, a.slope ? (slope as f32) : 0);
    const to = a.coefficients + b;
    store<f32>(to, scale as f32);
    store<f32>(to + a.coefficientBytes, ((-scale * beta) / count) as f32);
    store<f32>(to + 2 * a.coefficientBytes, ((-scale * rstd * rstd * gamma) / count) as f32);
  }
}

function applyRows<Activate>(a: BatchNormGradArgs, first: i32, last: i32): void {
  const hasSlope = is<Activate>();
  const end = (a.channels as usize) << 2;
  const pairs = end & ~31;
  const body = end & ~15;
  const zero = f32x4.splat(0);
  const mean = a.mean;
  const beta = a.beta;
  const slope = a.slope;
  const scale = a.coefficients;
  const k0 = scale + a.coefficientBytes;
  const k1 = k0 + a.coefficientBytes;
  const xStride = a.xStride;
  const gyStride = a.gyStride;
  const gxStride = a.gxStride;
  let x = a.x + (first as usize) * xStride;
  let gy = a.gy + (first as usize) * gyStride;
  let gx = a.gx + (first as usize) * gxStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < pairs; c += 32) {
      const d0 = f32x4.sub(v128.load(x + c), v128.load(mean + c));
      const d1 = f32x4.sub(v128.load(x + c, 16), v128.load(mean + c, 16));
      const s0 = v128.load(scale + c);
      const s1 = v128.load(scale + c, 16);
      let g0 = v128.load(gy + c);
      let g1 = v128.load(gy + c, 16);
      if (hasSlope) {
        const z0 = madd(s0, d0, v128.load(beta + c));
        const z1 = madd(s1, d1, v128.load(beta + c, 16));
        g0 = v128.bitselect(g0, f32x4.mul(g0, v128.load(slope + c)), f32x4.gt(z0, zero));
        g1 = v128.bitselect(g1, f32x4.mul(g1, v128.load(slope + c, 16)), f32x4.gt(z1, zero));
      }
      storeBoth(
        gx + c,
        madd(s0, g0, madd(d0, v128.load(k1 + c), v128.load(k0 + c))),
        madd(s1, g1, madd(d1, v128.load(k1 + c, 16), v128.load(k0 + c, 16))),
      );
    }
    for (let c: usize = pairs; c < body; c += 16) {
      const d = f32x4.sub(v128.load(x + c), v128.load(mean + c));
      const s = v128.load(scale + c);
      let g = v128.load(gy + c);
      if (hasSlope) {
        const z = madd(s, d, v128.load(beta + c));
        g = v128.bitselect(g, f32x4.mul(g, v128.load(slope + c)), f32x4.gt(z, zero));
      }
      v128.store(gx + c, madd(s, g, madd(d, v128.load(k1 + c), v128.load(k0 + c))));
    }
    for (let c: usize = body; c < end; c += 4) {
      const d = load<f32>(x + c) - load<f32>(mean + c);
      const s = load<f32>(scale + c);
      let g = load<f32>(gy + c);
      if (hasSlope && !(s * d + load<f32>(beta + c) > 0)) g *= load<f32>(slope + c);
      store<f32>(gx + c, s * g + (d * load<f32>(k1 + c) + load<f32>(k0 + c)));
    }
    x += xStride;
    gy += gyStride;
    gx += gxStride;
  }
}

/** Chunks from last to first: what the sums have just read may still be in cache. */
export function batchNormGradApply(a: BatchNormGradArgs, chunk: i32, local: usize): void {
  const turned = a.chunks - 1 - chunk;
  const first = a.pixels.first(turned);
  const last = a.pixels.last(turned);
  if (a.slope) applyRows<Yes>(a, first, last);
  else applyRows<No>(a, first, last);
}
