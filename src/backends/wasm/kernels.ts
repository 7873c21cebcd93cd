import type { Call } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import { prelu, preluGrad } from './activation.js';
import { adaptivePool, adaptivePoolGrad } from './adaptive.js';
import { fill } from './constant.js';
import { conv2d } from './conv2d.js';
import { conv2dGradInput } from './conv2dGradInput.js';
import { conv2dGradWeight } from './conv2dGradWeight.js';
import { countStep, dropoutMask } from './dropout.js';
import { multiply, multiplySum, sigmoid, sigmoidGrad } from './gate.js';
import { hardLabels } from './hard.js';
import { normalizeImage } from './image.js';
import { crossEntropy } from './loss.js';
import type { Stage, WasmKernel } from './lower.js';
import { maxGather, maxPool, maxUnpool } from './maxpool.js';
import {
  affine,
  batchNormGrad,
  batchStats,
  foldCoefficients,
  normCoefficients,
  runningStats,
  scaleWeight,
} from './norm.js';
import { adam } from './optimizer.js';
import { pyramidPool, pyramidPoolGrad } from './pool.js';
import { reluGrad } from './relu.js';
import { rescale } from './rescale.js';
import { resizeArgmax, resizeBilinear, resizeBilinearGrad } from './resize.js';
import { sumPixels } from './sums.js';
import { add, copy, scale } from './view.js';

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
  hardLabels,
  copy,
  add,
  scale,
  rescale,
  adam,
  reluGrad,
  sigmoid,
  sigmoidGrad,
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

export const scratchBytes = (call: Call): number => kernelOf(call.op).scratchBytes?.(call) ?? 0;
export const lower = (call: Call): Stage[] => kernelOf(call.op).lower(call);
