import type { Call } from '../../../graph/planned.js';
import type { KernelName } from '../../../ops/index.js';
import type { Dispatch } from '../shader.js';
import { preluGrad } from './activation.js';
import { adam } from './adam.js';
import { adaptivePool, adaptivePoolGrad } from './adaptive.js';
import { average } from './average.js';
import { fill } from './constant.js';
import { conv2d, conv2dGradInput, scaleWeight, sumPixels } from './conv.js';
import { conv2dGradWeight } from './convGradWeight.js';
import { countStep, dropoutMask } from './dropout.js';
import { focal } from './focal.js';
import { multiplySum } from './gate.js';
import { normalizeImage } from './image.js';
import type { Candidate, Capabilities, GpuKernel } from './kernel.js';
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
  lower?(call: Call): Dispatch[];
  candidates?(call: Call, able: Capabilities): readonly Candidate[];
}

/** The ways to compute a call, the one to take where nothing was measured first. */
export function candidatesOf(call: Call, able: Capabilities): readonly Candidate[] {
  const kernel = kernels[call.op] as AnyKernel;
  return (
    kernel.candidates?.(call, able) ?? [
      { name: call.op, scratch: kernel.scratch?.(call), lower: () => kernel.lower!(call) },
    ]
  );
}
