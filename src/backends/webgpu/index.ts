/// <reference types="@webgpu/types" />

import type { Plan } from '../../graph/planned.js';
import type { BackendOptions } from '../backend.js';
import { Choices } from './choices.js';
import { Gpu } from './device.js';
import { WebGpuExecutor } from './executor.js';
import type { WebGpuBackend } from './info.js';
import { Lowering } from './lowering.js';
import type { MemoryLimits } from './windows.js';

export type { GpuSource } from './devices.js';
export { browserGpus, chooseAdapter, describeAdapter, listDevices } from './devices.js';
export type { DeviceInfo, WebGpuBackend } from './info.js';
export { recall, remember } from './remembered.js';
export type { TuneOptions } from './tuning/tune.js';
export { tune } from './tuning/tune.js';
export { Choices };

/** Runs plans on an adapter (see `chooseAdapter`). `memory` lowers its limits, for tests of split arenas; `choices`: what was measured on it. */
export async function webgpuBackend(
  adapter: GPUAdapter,
  memory: Partial<MemoryLimits> = {},
  choices: Choices = new Choices(),
): Promise<WebGpuBackend> {
  const gpu = await Gpu.open(adapter);
  const lowering = new Lowering(gpu.capabilities, choices);
  return {
    name: 'webgpu',
    device: gpu.name,
    lowering,
    scratchBytes: lowering.rule,
    ways: {
      of: (plan) => lowering.choicesOf(plan).entries(),
      rule: (ways) => new Lowering(gpu.capabilities, new Choices(ways)).rule,
    },
    // A GPU has memory of its own, and says itself where it ends.
    usableBytes: () => Number.POSITIVE_INFINITY,
    prepare: (plan: Plan, { onProgress }: BackendOptions = {}) =>
      WebGpuExecutor.prepare(plan, gpu, lowering, { ...gpu.memory, ...memory }, onProgress),
    dispose: () => gpu.device.destroy(),
  };
}
