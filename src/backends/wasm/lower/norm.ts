import type { TensorRef } from '../../../graph/planned.js';
import type { Stage, WasmKernel } from '../stage.js';
import { overPixels, pointer, pointers, scratchPointer, strided } from '../stage.js';
import { partialsOver } from './sums.js';

/** Address of one row of `stats`: 0 mean, 1 variance, 2 `1/√(variance + eps)`. */
const statsRow = (stats: TensorRef, row: 0 | 1 | 2): number => pointer(stats) + 4 * row * stats.pixelStride;

export const batchStats: WasmKernel<'batchStats'> = {
  scratchBytes: ({ inputs: { x } }) => partialsOver(x, 2).bytes,
  lower(call) {
    const { x } = call.inputs;
    const { span, chunks, blockBytes } = partialsOver(x, 2);
    const channels = x.shape[3];
    const args = {
      ...{ ...strided({ x, ...call.outputs }), channels, pixels: span },
      ...{ partials: scratchPointer(call), blockBytes, chunks, eps: call.attrs.eps },
    };
    return [
      { kernel: 'batchStats', chunks, args, localBytes: 4 * channels },
      { kernel: 'batchStatsJoin', chunks: 1, args },
    ];
  },
};

export const runningStats: WasmKernel<'runningStats'> = {
  lower({
    inputs: { stats, mean, variance },
    outputs: { newMean, newVariance },
    attrs: { momentum, count },
  }) {
    return [
      {
        kernel: 'runningStats',
        chunks: 1,
        args: {
          ...{ mean: statsRow(stats, 0), variance: statsRow(stats, 1) },
          ...pointers({ runningMean: mean, runningVariance: variance, newMean, newVariance }),
          ...{ channels: mean.shape[3], momentum, unbias: count / (count - 1) },
        },
      },
    ];
  },
};

/** Rows of float32 that `batchNormGrad` keeps behind its partial sums. */
const coefficientBytes = (channels: number): number => Math.ceil(channels / 16) * 64;

export const batchNormGrad: WasmKernel<'batchNormGrad'> = {
  scratchBytes: ({ inputs: { x } }) => partialsOver(x, 3).bytes + 3 * coefficientBytes(x.shape[3]),
  lower(call) {
    const { x, stats, gamma, beta, slope, gy } = call.inputs;
    const { gx, ggamma, gbeta, gslope } = call.outputs;
    const { span, chunks, blockBytes, bytes } = partialsOver(x, 3);
    const at = scratchPointer(call);
    const channels = x.shape[3];
    const args = {
      ...{ ...strided({ x, gy, gx }), mean: statsRow(stats, 0), rstd: statsRow(stats, 2) },
      ...pointers({ gamma, beta, slope, ggamma, gbeta, gslope }),
      ...{ channels, pixels: span, chunks, partials: at, blockBytes },
      ...{ coefficients: at + bytes, coefficientBytes: coefficientBytes(channels) },
    };
    return [
      { kernel: 'batchNormGradReduce', chunks, args, localBytes: 32 },
      { kernel: 'batchNormGradJoin', chunks: 1, args },
      { kernel: 'batchNormGradApply', chunks, args },
    ];
  },
};

export const normCoefficients: WasmKernel<'normCoefficients'> = {
  lower: ({ inputs: { stats, gamma, beta }, outputs }) => [
    coefficients({ mean: statsRow(stats, 0), rstd: statsRow(stats, 2), gamma, beta, ...outputs }),
  ],
};

export const foldCoefficients: WasmKernel<'foldCoefficients'> = {
  lower: ({ inputs: { gamma, beta, mean, variance }, outputs, attrs: { eps } }) => [
    coefficients({ mean: pointer(mean), variance: pointer(variance), eps, gamma, beta, ...outputs }),
  ],
};

/** By `rstd`, or by `variance` and `eps`: addresses of their vectors, 0 for the one not given. */
function coefficients(from: {
  readonly mean: number;
  readonly rstd?: number;
  readonly variance?: number;
  readonly eps?: number;
  readonly gamma: TensorRef;
  readonly beta: TensorRef;
  readonly scale: TensorRef;
  readonly shift: TensorRef;
}): Stage {
  const { mean, rstd = 0, variance = 0, eps = 0, gamma, beta, scale, shift } = from;
  const vectors = pointers({ gamma, beta, scale, shift });
  const args = { mean, rstd, variance, ...vectors, channels: gamma.shape[3], eps };
  return { kernel: 'coefficients', chunks: 1, args };
}

export const affine: WasmKernel<'affine'> = {
  lower({ inputs: { x, added, scale, shift, slope, residual }, outputs: { y }, attrs: { sign } }) {
    const { chunks, range } = overPixels(y);
    const maps = strided({ x, added, residual, to: y });
    const args = { ...maps, ...pointers({ scale, shift, slope }), ...range, sign };
    return [{ kernel: 'affine', chunks, args }];
  },
};

/** Belongs to `ops/conv.ts`, but is a batch norm's fold. */
export const scaleWeight: WasmKernel<'scaleWeight'> = {
  lower({ inputs: { weight, scale }, outputs: { y }, attrs: { of } }) {
    const { chunks, range } = overPixels(y);
    const inputs = of === 'inputs' ? weight.shape[2] : 0;
    const args = { ...strided({ weight, y }), ...pointers({ scale }), ...range, inputs };
    return [{ kernel: 'scaleWeight', chunks, args }];
  },
};
