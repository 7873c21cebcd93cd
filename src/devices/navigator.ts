import type { DeviceInfo, WebGpuBackend } from '../backends/webgpu/info.js';
import { UserError } from '../errors.js';
import type { DeviceKind } from './kind.js';

/** Fetched where the browser has WebGPU at all: most of a small page's script would be its shaders. */
const load = () => import('../backends/webgpu/index.js');

/** The browser's GPU. */
export const webgpu: DeviceKind<'webgpu', WebGpuBackend> = {
  name: 'webgpu',
  automatic: true,
  named: true,
  async find(gpu, must) {
    if (must || (await hasRealAdapter())) {
      const { browserGpus, chooseAdapter, webgpuBackend } = await load();
      const adapter = await chooseAdapter(browserGpus, gpu);
      if (adapter) return { open: () => webgpuBackend(adapter) };
    }
    if (!must) return undefined;
    throw new UserError(
      "`device: 'webgpu'`: this browser has no WebGPU on a real GPU; use `device: 'wasm'`, or name a software adapter by `gpu`",
    );
  },
  scratchBytes: async () => (await import('../backends/webgpu/lowering.js')).leastRule(),
};

/** Whether it is worth looking: a service worker, say, has no WebGPU, and may not fetch code either. */
async function hasRealAdapter(): Promise<boolean> {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  return adapter != null && !adapter.info.isFallbackAdapter;
}

/** All adapters that the browser shows, software ones too; none where it has no WebGPU. */
export async function listGpus(): Promise<DeviceInfo[]> {
  const { browserGpus, listDevices } = await load();
  return listDevices(browserGpus);
}
