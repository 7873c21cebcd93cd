/// <reference types="@webgpu/types" preserve="true" />
import type { DeviceInfo } from '../backends/webgpu/index.js';
import { browserGpus, chooseAdapter, listDevices, webgpuBackend } from '../backends/webgpu/index.js';
import { scratchBytes } from '../backends/webgpu/kernels/index.js';
import { UserError } from '../errors.js';
import type { DeviceKind } from './kind.js';

/** The browser's GPU. */
export const webgpu: DeviceKind<'webgpu'> = {
  name: 'webgpu',
  automatic: true,
  named: true,
  async find(gpu, must) {
    const adapter = await chooseAdapter(browserGpus, gpu);
    if (adapter) return { open: () => webgpuBackend(adapter) };
    if (!must) return undefined;
    throw new UserError(
      "`device: 'webgpu'`: this browser has no WebGPU on a real GPU; use `device: 'wasm'`, or name a software adapter by `gpu`",
    );
  },
  scratchBytes: async () => scratchBytes,
};

/** All adapters that the browser shows, software ones too; none where it has no WebGPU. */
export const listGpus = (): Promise<DeviceInfo[]> => listDevices(browserGpus);
