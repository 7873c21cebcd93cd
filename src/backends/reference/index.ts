import type { Call, Plan } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import type { Backend } from '../backend.js';
import { preluGrad } from './activation.js';
import { adam } from './adam.js';
import { adaptivePool, adaptivePoolGrad } from './adaptive.js';
import type { Arena, ReferenceKernel } from './arena.js';
import { roundOutputs } from './arena.js';
import { average } from './average.js';
import { fill } from './constant.js';
import { conv2d, conv2dGradInput, conv2dGradWeight, scaleWeight, sumPixels } from './conv.js';
import { dice } from './dice.js';
import { countStep, dropoutMask } from './dropout.js';
import { ReferenceExecutor } from './executor.js';
import { focal } from './focal.js';
import { multiplySum } from './gate.js';
import { normalizeImage } from './image.js';
import { crossEntropy } from './loss.js';
import { lovasz } from './lovasz.js';
import { maxGather, maxPool, maxUnpool } from './maxpool.js';
import { batchNormGrad, batchStats, foldCoefficients, normCoefficients, runningStats } from './norm.js';
import { hardLabels } from './ohem.js';
import { parametricKernels, pointwiseKernels } from './pointwise.js';
import { pyramidPool, pyramidPoolGrad } from './pool.js';
import { rescale } from './rescale.js';
import { resizeArgmax, resizeBilinear, resizeBilinearGrad } from './resize.js';
import { sgd } from './sgd.js';
import { copy } from './view.js';

const kernels: { readonly [K in KernelName]: ReferenceKernel<K> } = {
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

function runCall(call: Call, arena: Arena): void {
  (kernels[call.op] as (call: Call, arena: Arena) => void)(call, arena);
  roundOutputs(call, arena);
}

interface ReferenceBackend extends Backend {
  prepare(plan: Plan): Promise<ReferenceExecutor>;
}

/** Plain TypeScript in float64: slow, obviously right, the oracle of every test. */
export const referenceBackend: ReferenceBackend = {
  name: 'reference',
  scratchBytes: () => 0,
  usableBytes: () => Number.POSITIVE_INFINITY,
  prepare: async (plan) => new ReferenceExecutor(plan, runCall),
};

export { ReferenceExecutor };
