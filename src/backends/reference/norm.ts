import type { TensorRef } from '../../graph/planned.js';
import type { Arena, ReferenceKernel } from './arena.js';
import { View, vectorOf } from './arena.js';

/** The rows of `stats`. */
function statsOf(
  arena: Arena,
  ref: TensorRef,
): { mean: Float64Array; variance: Float64Array; rstd: Float64Array } {
  const stats = new View(arena, ref).dense();
  const channels = ref.shape[3];
  return {
    mean: stats.subarray(0, channels),
    variance: stats.subarray(channels, 2 * channels),
    rstd: stats.subarray(2 * channels),
  };
}

export const batchStats: ReferenceKernel<'batchStats'> = ({ inputs, outputs, attrs }, arena) => {
  const x = new View(arena, inputs.x).dense();
  const channels = inputs.x.shape[3];
  const count = x.length / channels;
  const stats = new Float64Array(3 * channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = c; i < x.length; i += channels) sum += x[i];
    const mean = sum / count;
    let squares = 0;
    for (let i = c; i < x.length; i += channels) squares += (x[i] - mean) ** 2;
    const variance = squares / count;
    stats[c] = mean;
    stats[channels + c] = variance;
    stats[2 * channels + c] = 1 / Math.sqrt(variance + attrs.eps);
  }
  new View(arena, outputs.stats).assign(stats);
};

export const runningStats: ReferenceKernel<'runningStats'> = ({ inputs, outputs, attrs }, arena) => {
  const { momentum, count } = attrs;
  const batch = statsOf(arena, inputs.stats);
  const mean = new View(arena, inputs.mean).dense();
  const variance = new View(arena, inputs.variance).dense();
  const unbiased = batch.variance.map((value) => (value * count) / (count - 1));
  new View(arena, outputs.newMean).assign(
    mean.map((value, c) => (1 - momentum) * value + momentum * batch.mean[c]),
  );
  new View(arena, outputs.newVariance).assign(
    variance.map((value, c) => (1 - momentum) * value + momentum * unbiased[c]),
  );
};

export const batchNormGrad: ReferenceKernel<'batchNormGrad'> = ({ inputs, outputs }, arena) => {
  const x = new View(arena, inputs.x).dense();
  const gy = new View(arena, inputs.gy).dense();
  const channels = inputs.x.shape[3];
  const count = x.length / channels;
  const { mean, rstd } = statsOf(arena, inputs.stats);
  const gamma = new View(arena, inputs.gamma).dense();
  const beta = new View(arena, inputs.beta).dense();
  const slope = vectorOf(arena, inputs.slope, channels, 1);
  const ggamma = new Float64Array(channels);
  const gbeta = new Float64Array(channels);
  const gslope = new Float64Array(channels);
  const normed = x.map((value, i) => (value - mean[i % channels]) * rstd[i % channels]);
  const gz = gy.map((g, i) => {
    const c = i % channels;
    const z = gamma[c] * normed[i] + beta[c];
    if (inputs.slope) gslope[c] += g * Math.min(z, 0);
    return z > 0 ? g : slope[c] * g;
  });
  for (let i = 0; i < x.length; i++) {
    gbeta[i % channels] += gz[i];
    ggamma[i % channels] += gz[i] * normed[i];
  }
  new View(arena, outputs.gx).assign(
    gz.map((g, i) => {
      const c = i % channels;
      return gamma[c] * rstd[c] * (g - gbeta[c] / count - (normed[i] * ggamma[c]) / count);
    }),
  );
  new View(arena, outputs.ggamma).assign(ggamma);
  new View(arena, outputs.gbeta).assign(gbeta);
  new View(arena, outputs.gslope).assign(gslope);
};

export const normCoefficients: ReferenceKernel<'normCoefficients'> = ({ inputs, outputs }, arena) => {
  const { mean, rstd } = statsOf(arena, inputs.stats);
  const gamma = new View(arena, inputs.gamma).dense();
  const beta = new View(arena, inputs.beta).dense();
  const scale = gamma.map((value, c) => value * rstd[c]);
  new View(arena, outputs.scale).assign(scale);
  new View(arena, outputs.shift).assign(beta.map((value, c) => value - mean[c] * scale[c]));
};

export const foldCoefficients: ReferenceKernel<'foldCoefficients'> = ({ inputs, outputs, attrs }, arena) => {
  const gamma = new View(arena, inputs.gamma).dense();
  const beta = new View(arena, inputs.beta).dense();
  const mean = new View(arena, inputs.mean).dense();
  const variance = new View(arena, inputs.variance).dense();
  const scale = gamma.map((value, c) => value / Math.sqrt(variance[c] + attrs.eps));
  new View(arena, outputs.scale).assign(scale);
  new View(arena, outputs.shift).assign(beta.map((value, c) => value - mean[c] * scale[c]));
};
