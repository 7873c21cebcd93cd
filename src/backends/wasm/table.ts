import type { Call, ScratchRule } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import { conv2d } from './conv/forward.js';
import { conv2dGradInput } from './conv/gradInput.js';
import { conv2dGradWeight } from './conv/gradWeight.js';
import { isPair, pairStages } from './conv/pair.js';
import { prelu, preluGrad } from './lower/activation.js';
import { adam } from './lower/adam.js';
import { adaptivePool, adaptivePoolGrad } from './lower/adaptive.js';
import { average } from './lower/average.js';
import { fill } from './lower/constant.js';
import { countStep, dropoutMask } from './lower/dropout.js';
import { focal } from './lower/focal.js';
import { multiply, multiplySum } from './lower/gate.js';
import { normalizeImage } from './lower/image.js';
import { crossEntropy } from './lower/loss.js';
import { maxGather, maxPool, maxUnpool } from './lower/maxpool.js';
import {
  affine,
  batchNormGrad,
  batchStats,
  foldCoefficients,
  normCoefficients,
  runningStats,
  scaleWeight,
} from './lower/norm.js';
import { hardLabels } from './lower/ohem.js';
import { pointwiseKernels } from './lower/pointwise.js';
import { pyramidPool, pyramidPoolGrad } from './lower/pool.js';
import { dice, lovasz } from './lower/region.js';
import { rescale } from './lower/rescale.js';
import { resizeArgmax, resizeBilinear, resizeBilinearGrad } from './lower/resize.js';
import { sgd } from './lower/sgd.js';
import { sumPixels } from './lower/sums.js';
import { add, copy, scale } from './lower/view.js';
import type { Stage, WasmKernel } from './stage.js';

/** Every kernel of the backend by the name of its op. */
const kernels: { readonly [K in KernelName]: WasmKernel<K> } = {
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
  sumPixels,
  scaleWeight,
  prelu,
  preluGrad,
  batchStats,
  runningStats,
  batchNormGrad,
  normCoefficients,
  foldCoefficients,
  affine,
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
  add,
  scale,
  rescale,
  adam,
  sgd,
  average,
  ...pointwiseKernels,
  multiply,
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

const kernelOf = (op: KernelName): WasmKernel<KernelName> => kernels[op] as WasmKernel<KernelName>;

/** What the planner asks. */
export const scratchBytes: ScratchRule = Object.assign(
  (call: Call): number => kernelOf(call.op).scratchBytes?.(call) ?? 0,
  {
    kept: (call: Call): number => kernelOf(call.op).keptBytes?.(call) ?? 0,
    joins: isPair,
    algorithm: (call: Call): string | undefined =>
      call.joined ? 'winograd1d pair' : kernelOf(call.op).algorithm?.(call),
  },
);

/** Stages of a call; of two that are joined, all belong to the second. */
export function lower(call: Call, before: Call | undefined): Stage[] {
  if (call.joined === 'next') return [];
  if (call.joined === 'previous') return pairStages(before!, call);
  return kernelOf(call.op).lower(call);
}
