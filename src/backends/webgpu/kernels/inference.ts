import type { KernelName } from '../../../ops/index.js';
import type { Ways } from '../lowering.js';
import { adaptivePool } from './adaptive.js';
import { fill } from './constant.js';
import { conv2d, conv2dGradInput, scaleWeight } from './conv.js';
import { multiplySum } from './gate.js';
import { normalizeImage } from './image.js';
import type { GpuKernel } from './kernel.js';
import { candidatesOf } from './kernel.js';
import { maxPool, maxUnpool } from './maxpool.js';
import { foldCoefficients } from './norm.js';
import { parametricKernels, pointwiseKernels } from './pointwise.js';
import { pyramidPool } from './pool.js';
import { resizeArgmax, resizeBilinear } from './resize.js';
import { upsampleTaps, weightPart } from './taps.js';
import { copy } from './view.js';

/** What plans of inference have. */
export const inferenceKernels = {
  conv2d,
  /** Transposed convolutions. */
  conv2dGradInput,
  scaleWeight,
  foldCoefficients,
  pyramidPool,
  resizeBilinear,
  resizeArgmax,
  weightPart,
  upsampleTaps,
  copy,
  ...pointwiseKernels,
  ...parametricKernels,
  multiplySum,
  maxPool,
  maxUnpool,
  adaptivePool,
  fill,
  normalizeImage,
} satisfies { readonly [K in KernelName]?: GpuKernel<K> };

/** The ways of calls in plans of inference where nothing was measured: no calls are joined. */
export const inferenceWays: Ways = { of: candidatesOf(inferenceKernels), ofPair: () => [] };
