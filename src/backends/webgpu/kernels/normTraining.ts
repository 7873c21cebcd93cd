import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, pixelsOf } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

/** Sums of `x − k` and its square, k the first pixel: one pass that does not cancel where |mean| ≫ deviation. */
export const batchStats: GpuKernel<'batchStats'> = {
  scratch: ({ inputs }) => channelSumsBytes(inputs.x.shape, 2),
  lower: (call) => {
    const { x } = call.inputs;
    const scale = f32(1 / pixelsOf(x.shape));
    return channelSums({
      call,
      tensors: { x, ...call.outputs },
      shape: x.shape,
      rows: 2,
      before: 'let k = x_q(0u, c);',
      each: 'let d = x_q(p, c) - k; s0 += d; s1 += d * d;',
      finish: `
    let d = s0 * ${scale};
    let variance = max(s1 * ${scale} - d * d, vec4f(0f));
    stats_sq(0u, c, x_q(0u, c) + d);
    stats_sq(1u, c, variance);
    stats_sq(2u, c, 1f / sqrt(variance + ${f32(call.attrs.eps)}));`,
    });
  },
};

export const runningStats: GpuKernel<'runningStats'> = {
  lower: ({ inputs, outputs, attrs: { momentum, count } }) => [
    perQuad(
      inputs.mean.shape,
      { ...inputs, ...outputs },
      `newMean_sq(0u, c, ${f32(1 - momentum)} * mean_q(0u, c) + ${f32(momentum)} * stats_q(0u, c));
  newVariance_sq(0u, c, ${f32(1 - momentum)} * variance_q(0u, c) + ${f32((momentum * count) / (count - 1))} * stats_q(1u, c));`,
    ),
  ],
};

export const batchNormGrad: GpuKernel<'batchNormGrad'> = {
  scratch: ({ inputs }) => channelSumsBytes(inputs.x.shape, 3),
  lower: (call) => {
    const { slope, x } = call.inputs;
    const tensors = { ...call.inputs, ...call.outputs };
    const pixel = `
      let gy = gy_q(p, c);
      let xh = (x_q(p, c) - mean) * rstd;
      let z = gamma * xh + beta;
      let gz = ${slope ? 'select(slope * gy, gy, z > vec4f(0f))' : 'gy'};`;
    const vectors = `
    let mean = stats_q(0u, c);
    let rstd = stats_q(2u, c);
    let gamma = gamma_q(0u, c);
    let beta = beta_q(0u, c);
    ${slope ? 'let slope = slope_q(0u, c);' : ''}`;
    const scale = f32(1 / pixelsOf(x.shape));
    return [
      ...channelSums({
        call,
        tensors,
        shape: x.shape,
        rows: 3,
        before: vectors,
        each: `${pixel}
      s0 += gz;
      s1 += gz * xh;
      ${slope ? 's2 += gy * min(z, vec4f(0f));' : ''}`,
        finish: 'gbeta_sq(0u, c, s0); ggamma_sq(0u, c, s1); gslope_sq(0u, c, s2);',
      }),
      perQuad(
        x.shape,
        tensors,
        `${vectors}${pixel}
  gx_sq(p, c, gamma * rstd * (gz - gbeta_q(0u, c) * ${scale} - xh * ggamma_q(0u, c) * ${scale}));`,
      ),
    ];
  },
};

export const normCoefficients: GpuKernel<'normCoefficients'> = {
  lower: ({ inputs, outputs }) => [
    perQuad(
      inputs.gamma.shape,
      { ...inputs, ...outputs },
      `let s = gamma_q(0u, c) * stats_q(2u, c);
  scale_sq(0u, c, s);
  shift_sq(0u, c, beta_q(0u, c) - stats_q(0u, c) * s);`,
    ),
  ],
};
