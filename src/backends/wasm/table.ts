import type { Call, ScratchRule } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import { conv2d } from './conv/forward.js';
import { conv2dGradInput } from './conv/gradInput.js';
import { conv2dGradWeight } from './conv/gradWeight.js';
import { isPair, pairStages } from './conv/pair.js';
import { isPatchLabels, patchLabelsStages } from './conv/patchLabels.js';
import { besideStages, isBeside } from './conv/pyramid.js';
import * as written from './lower/index.js';
import { pointwiseKernels } from './lower/pointwise.js';
import type { Stage, WasmKernel } from './stage.js';

/** Every kernel of the backend by the name of its op. */
const kernels: { readonly [K in KernelName]: WasmKernel<K> } = {
  ...written,
  ...pointwiseKernels,
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
};

/** Calls that run as one kernel. */
const joint = [
  { name: 'winograd1d pair', joins: isPair, stages: pairStages },
  { name: 'pooled and 1×1', joins: isBeside, stages: besideStages },
  { name: 'labels of patches', joins: isPatchLabels, stages: patchLabelsStages },
];

const jointOf = (first: Call, second: Call) => joint.find(({ joins }) => joins(first, second));

const kernelOf = (op: KernelName): WasmKernel<KernelName> => kernels[op] as WasmKernel<KernelName>;

/** What the planner asks. */
export const scratchBytes: ScratchRule = Object.assign(
  (call: Call): number => kernelOf(call.op).scratchBytes?.(call) ?? 0,
  {
    kept: (call: Call): number => kernelOf(call.op).keptBytes?.(call) ?? 0,
    joins: (first: Call, second: Call): boolean => jointOf(first, second) !== undefined,
    algorithm: (call: Call, partner?: Call): string | undefined =>
      partner
        ? (jointOf(call, partner) ?? jointOf(partner, call))?.name
        : kernelOf(call.op).algorithm?.(call),
  },
);

/** Stages of a call; of two that are joined, all belong to the second. */
export function lower(call: Call, before: Call | undefined, threads: number): Stage[] {
  if (call.joined === 'next') return [];
  if (call.joined === 'previous') return jointOf(before!, call)!.stages(before!, call);
  return kernelOf(call.op).lower(call, threads);
}
