import type { Call, ScratchRule } from '../../../graph/planned.js';
import type { KernelName } from '../../../ops/index.js';
import type { Dispatch } from '../shader.js';
import { preluGrad } from './activation.js';
import { adam } from './adam.js';
import { adaptivePool, adaptivePoolGrad } from './adaptive.js';
import { average } from './average.js';
import { fill } from './constant.js';
import { conv2d, conv2dGradInput, conv2dGradWeight, scaleWeight, sumPixels } from './conv.js';
import { countStep, dropoutMask } from './dropout.js';
import { focal } from './focal.js';
import { multiplySum } from './gate.js';
import { normalizeImage } from './image.js';
import type { GpuKernel } from './kernel.js';
import { crossEntropy } from './loss.js';
import { maxGather, maxPool, maxUnpool } from './maxpool.js';
import { batchNormGrad, batchStats, foldCoefficients, normCoefficients, runningStats } from './norm.js';
import { hardLabels } from './ohem.js';
import { parametricKernels, pointwiseKernels } from './pointwise.js';
import { pyramidPool, pyramidPoolGrad } from './pool.js';
import { dice, lovasz } from './region.js';
import { rescale } from './rescale.js';
import { resizeArgmax, resizeBilinear, resizeBilinearGrad } from './resize.js';
import { sgd } from './sgd.js';
import { copy } from './view.js';

const kernels: { readonly [K in KernelName]: GpuKernel<K> } = {
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
  sumPixels,
  scaleWeight,
  preluGrad,
  batchStats,
  runningStats,
  batchNormGrad,
  normCoefficients,
  foldCoefficients,
  pyramidPool,
  pyramidPoolGrad,
  resizeBilinear,
  resizeBilinearGrad,
  resizeArgmax,
  crossEntropy,
  focal,
  dice,
  lovasz,
  hardLabels,
  copy,
  rescale,
  adam,
  sgd,
  average,
  ...pointwiseKernels,
  ...parametricKernels,
  multiplySum,
  maxPool,
  maxUnpool,
  maxGather,
  adaptivePool,
  adaptivePoolGrad,
  countStep,
  dropoutMask,
  fill,
  normalizeImage,
};

/** What the compiler cannot see: the kernel looked up by `call.op` takes calls of that op. */
interface AnyKernel {
  scratch?(call: Call): number;
  lower(call: Call): Dispatch[];
}
const kernelOf = (call: Call): AnyKernel => kernels[call.op] as AnyKernel;

/** Bytes of private memory of a call, from its shapes. */
export const scratchBytes: ScratchRule = (call) => kernelOf(call).scratch?.(call) ?? 0;

/** The dispatches of a call, in order. */
export const lower = (call: Call): Dispatch[] => kernelOf(call).lower(call);
