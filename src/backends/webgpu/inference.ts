/// <reference types="@webgpu/types" />

import { webgpuBackendOn } from './backend.js';
import type { WebGpuBackend } from './info.js';
import { inferenceWays } from './kernels/inference.js';

export { browserGpus, chooseAdapter } from './devices.js';

/**
 * Runs plans of inference, and no others, on an adapter on which nothing was measured: what a page fetches that does
 * neither train nor tune.
 */
export const inferenceBackend = (adapter: GPUAdapter): Promise<WebGpuBackend> =>
  webgpuBackendOn(adapter, { ways: inferenceWays });
