import type { Call, Plan } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import type { Backend } from '../backend.js';
import type { Arena, ReferenceKernel } from './arena.js';
import { roundOutputs } from './arena.js';
import { ReferenceExecutor } from './executor.js';
import * as written from './kernels.js';
import { parametricKernels, pointwiseKernels } from './pointwise.js';

const kernels: { readonly [K in KernelName]: ReferenceKernel<K> } = {
  ...written,
  ...pointwiseKernels,
  ...parametricKernels,
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
