/// <reference types="@webgpu/types" />
import type { Plan } from '../../graph/planned.js';
import { Gpu } from './device.js';
import { WebGpuExecutor } from './executor.js';
import type { WebGpuBackend } from './info.js';
import { scratchBytes } from './kernels/index.js';
import type { MemoryLimits } from './windows.js';

export type { GpuSource } from './devices.js';
export { browserGpus, chooseAdapter, describeAdapter, listDevices } from './devices.js';
export type { DeviceInfo, WebGpuBackend } from './info.js';

/** Runs plans on an adapter (see `chooseAdapter`). `memory` lowers its limits, for tests of split arenas. */
export async function webgpuBackend(
  adapter: GPUAdapter,
  memory: Partial<MemoryLimits> = {},
): Promise<WebGpuBackend> {
  const gpu = await Gpu.open(adapter);
  return {
    name: 'webgpu',
    device: gpu.name,
    scratchBytes,
    // A GPU has memory of its own, and says itself where it ends.
    usableBytes: () => Number.POSITIVE_INFINITY,
    prepare: (plan: Plan) => WebGpuExecutor.prepare(plan, gpu, { ...gpu.memory, ...memory }),
    dispose: () => gpu.device.destroy(),
  };
}
