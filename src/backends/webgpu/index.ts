/// <reference types="@webgpu/types" />

import { webgpuBackendOn } from './backend.js';
import { Choices } from './choices.js';
import type { WebGpuBackend } from './info.js';
import { everyWay } from './kernels/index.js';
import type { MemoryLimits } from './windows.js';

export type { GpuSource } from './devices.js';
export { browserGpus, chooseAdapter, describeAdapter, listDevices } from './devices.js';
export type { DeviceInfo, WebGpuBackend } from './info.js';
export { recall, remember } from './remembered.js';
export type { TuneOptions } from './tuning/tune.js';
export { tune } from './tuning/tune.js';
export { Choices };

/** Runs plans of every kind on an adapter (see `chooseAdapter`). `memory` lowers its limits, for tests of split arenas; `choices`: what was measured on it. */
export const webgpuBackend = (
  adapter: GPUAdapter,
  memory: Partial<MemoryLimits> = {},
  choices?: Choices,
): Promise<WebGpuBackend> => webgpuBackendOn(adapter, { ways: everyWay, choices, memory });
