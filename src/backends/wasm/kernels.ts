import type { Call } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import { prelu, preluGrad } from './activation.js';
import { conv2d } from './conv2d.js';
import { conv2dGradInput } from './conv2dGradInput.js';
import { conv2dGradWeight } from './conv2dGradWeight.js';
import type { Stage, WasmKernel } from './lower.js';
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
import { sumPixels } from './sums.js';
import { add, copy, scale } from './view.js';

/** Every kernel of the backend by the name of its op. */
const kernels: { readonly [K in KernelName]?: WasmKernel<K> } = {
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
  copy,
  add,
  scale,
  adam,
};

const kernelOf = (op: KernelName): WasmKernel<KernelName> => kernels[op] as WasmKernel<KernelName>;

export const scratchBytes = (call: Call): number => kernelOf(call.op).scratchBytes?.(call) ?? 0;
export const lower = (call: Call): Stage[] => kernelOf(call.op).lower(call);
