import type { Call } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import { affine } from './affine.js';
import { conv2d } from './conv2d.js';
import { conv2dGradInput } from './conv2dGradInput.js';
import { conv2dGradWeight } from './conv2dGradWeight.js';
import type { Stage, WasmKernel } from './lower.js';

/** Every kernel of the backend by the name of its op. */
const kernels: { readonly [K in KernelName]?: WasmKernel<K> } = {
  affine,
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
};

const kernelOf = (op: KernelName): WasmKernel<KernelName> => kernels[op] as WasmKernel<KernelName>;

export const scratchBytes = (call: Call): number => kernelOf(call.op).scratchBytes?.(call) ?? 0;
export const lower = (call: Call): Stage[] => kernelOf(call.op).lower(call);
