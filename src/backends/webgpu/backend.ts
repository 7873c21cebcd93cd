/// <reference types="@webgpu/types" />

import type { Plan } from '../../graph/planned.js';
import type { BackendOptions } from '../backend.js';
import { Choices } from './choices.js';
import { Gpu } from './device.js';
import { WebGpuExecutor } from './executor.js';
import type { WebGpuBackend } from './info.js';
import type { Ways } from './lowering.js';
import { Lowering } from './lowering.js';
import type { MemoryLimits } from './windows.js';

export interface WebGpuOptions {
  /** The kernels that there are. */
  readonly ways: Ways;
  /** What was measured on the adapter. */
  readonly choices?: Choices;
  /** Lowers its limits, for tests of split arenas. */
  readonly memory?: Partial<MemoryLimits>;
}

/** Runs plans on an adapter (see `chooseAdapter`). */
export async function webgpuBackendOn(
  adapter: GPUAdapter,
  { ways, choices = new Choices(), memory }: WebGpuOptions,
): Promise<WebGpuBackend> {
  const gpu = await Gpu.open(adapter);
  const lowering = new Lowering(gpu.capabilities, choices, ways);
  return {
    name: 'webgpu',
    device: gpu.name,
    lowering,
    scratchBytes: lowering.rule,
    ways: {
      of: (plan) => lowering.choicesOf(plan).entries(),
      rule: (taken) => new Lowering(gpu.capabilities, new Choices(taken), ways).rule,
    },
    isLost: () => gpu.isLost,
    // A GPU has memory of its own, and says itself where it ends.
    usableBytes: () => Number.POSITIVE_INFINITY,
    prepare: (plan: Plan, { onProgress }: BackendOptions = {}) =>
      WebGpuExecutor.prepare(plan, gpu, lowering, { ...gpu.memory, ...memory }, onProgress),
    dispose: () => gpu.device.destroy(),
  };
}
