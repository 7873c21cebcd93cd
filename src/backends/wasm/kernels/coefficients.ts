// Vectors of one number per channel, and weights: too little work for SIMD to matter.

import { Span } from './span';

@unmanaged
class RunningStatsArgs {
  mean: usize;
  variance: usize;
  runningMean: usize;
  runningVariance: usize;
  newMean: usize;
  newVariance: usize;
  channels: i32;
  momentum: f32;
  /** `count/(count − 1)`. */
  unbias: f32;
}

export function runningStats(a: RunningStatsArgs, chunk: i32, local: usize): void {
  const momentum = a.momentum;
  for (let c: usize = 0, end = (a.channels as usize) << 2; c < end; c += 4) {
    const mean = load<f32>(a.runningMean + c);
    const variance = load<f32>(a.runningVariance + c);
    store<f32>(a.newMean + c, (1 - momentum) * mean + momentum * load<f32>(a.mean + c));
    store<f32>(a.newVariance + c, (1 - momentum) * variance + momentum * (load<f32>(a.variance + c) * a.unbias));
  }
}

@unmanaged
class CoefficientsArgs {
  mean: usize;
  /** 0: `variance` is given. */
  rstd: usize;
  variance: usize;
  gamma: usize;
  beta: usize;
  scale: usize;
  shift: usize;
  channels: i32;
  eps: f32;
}

/** `normCoefficients` and `foldCoefficients`. */
export function coefficients(a: CoefficientsArgs, chunk: i32, local: usize): void {
  for (let c: usize = 0, end = (a.channels as usize) << 2; c < end; c += 4) {
    const gamma = load<f32>(a.gamma + c) as f64;
    const scale = (
      a.rstd
        ? gamma * (load<f32>(a.rstd + c) as f64)
        : gamma / Math.sqrt((load<f32>(a.variance + c) as f64) + (a.eps as f64))
    ) as f32;
    // The rounded scale, so that `scale·mean + shift` is beta.
    const shift = (load<f32>(a.beta + c) as f64) - (load<f32>(a.mean + c) as f64) * (scale as f64);
    store<f32>(a.scale + c, scale);
    store<f32>(a.shift + c, shift as f32);
  }
}

@unmanaged
class ScaleWeightArgs {
  weight: usize;
  weightStride: usize;
  scale: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  /** Where the scale belongs to the inputs their number, else 0. */
  inputs: i32;
  pixels: Span;
}

export function scaleWeight(a: ScaleWeightArgs, chunk: i32, local: usize): void {
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const end = (a.channels as usize) << 2;
  let x = a.weight + (first as usize) * a.weightStride;
  let y = a.y + (first as usize) * a.yStride;
  for (let pixel = first; pixel < last; pixel++) {
    if (a.inputs) {
      const scale = load<f32>(a.scale + (((pixel % a.inputs) as usize) << 2));
      for (let c: usize = 0; c < end; c += 4) store<f32>(y + c, load<f32>(x + c) * scale);
    } else {
      for (let c: usize = 0; c < end; c += 4) store<f32>(y + c, load<f32>(x + c) * load<f32>(a.scale + c));
    }
    x += a.weightStride;
    y += a.yStride;
  }
}
