import type { KernelName } from '../../../ops/index.js';
import type { Ways } from '../lowering.js';
import { preluGrad } from './activation.js';
import { adam } from './adam.js';
import { adaptivePoolGrad } from './adaptive.js';
import { average } from './average.js';
import { sumPixels } from './conv.js';
import { conv2dGradWeight } from './convGradWeight.js';
import { countStep, dropoutMask } from './dropout.js';
import { focal } from './focal.js';
import { guard } from './guard.js';
import { inferenceKernels } from './inference.js';
import type { GpuKernel } from './kernel.js';
import { candidatesOf } from './kernel.js';
import { crossEntropy } from './loss.js';
import { maxGather } from './maxpool.js';
import { batchNormGrad, batchStats, normCoefficients, runningStats } from './normTraining.js';
import { hardLabels } from './ohem.js';
import { pairCandidatesOf } from './pairs/index.js';
import { pyramidPoolGrad } from './poolGrad.js';
import { dice, lovasz } from './region.js';
import { rescale } from './rescale.js';
import { resizeBilinearGrad } from './resizeGrad.js';
import { sgd } from './sgd.js';

const kernels: { readonly [K in KernelName]: GpuKernel<K> } = {
  ...inferenceKernels,
  conv2dGradWeight,
  sumPixels,
  preluGrad,
  batchStats,
  runningStats,
  batchNormGrad,
  normCoefficients,
  pyramidPoolGrad,
  resizeBilinearGrad,
  crossEntropy,
  focal,
  dice,
  lovasz,
  hardLabels,
  rescale,
  guard,
  adam,
  sgd,
  average,
  maxGather,
  adaptivePoolGrad,
  countStep,
  dropoutMask,
};

/** The ways of every call. */
export const everyWay: Ways = {
  of: candidatesOf(kernels),
  ofPair: pairCandidatesOf,
};
