import type { DeviceInfo, WebGpuBackend } from '../backends/webgpu/info.js';
import type { TunedGpu, TuneWork } from '../backends/webgpu/tuning/result.js';
import type { Files } from '../data/storage/named.js';
import { openOpfs } from '../data/storage/opfs.js';
import { UserError } from '../errors.js';
import type { DeviceKind } from './kind.js';
import { measuredBy, tuneOn } from './tuned.js';

/** Fetched where the browser has WebGPU at all: most of a small page's script would be its shaders. */
const load = () => import('../backends/webgpu/index.js');
/** The part of it that plans of inference need. */
const loadInference = () => import('../backends/webgpu/inference.js');

/** What was measured on GPUs, a file for each; undefined where nothing was, and in a private window. */
const measured = (create: boolean): Promise<Files | undefined> =>
  openOpfs('vnet-segmentation/webgpu', create).catch(() => undefined);

/** The browser's GPU. */
export const webgpu: DeviceKind<'webgpu', WebGpuBackend> = {
  name: 'webgpu',
  automatic: true,
  named: true,
  async find(gpu, must, work) {
    if (must || (await hasRealAdapter())) {
      // A service worker may not fetch code; there the CPU has to do.
      const code = await loadInference().catch((error) => {
        if (must) throw error;
      });
      const adapter = await code?.chooseAdapter(code.browserGpus, gpu);
      if (code && adapter) {
        return {
          async open() {
            const files = await measured(false);
            if (work === 'inference' && !files) return code.inferenceBackend(adapter);
            const { recall, webgpuBackend } = await load();
            return webgpuBackend(adapter, {}, await measuredBy(recall, files, adapter));
          },
        };
      }
    }
    if (!must) return undefined;
    throw new UserError(
      "`device: 'webgpu'`: this browser has no WebGPU on a real GPU; use `device: 'wasm'`, or name a software adapter by `gpu`",
    );
  },
  scratchBytes: async () => (await import('../backends/webgpu/leastRule.js')).leastRule(),
};

/** Whether it is worth looking. */
async function hasRealAdapter(): Promise<boolean> {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  return adapter != null && !adapter.info.isFallbackAdapter;
}

/** All adapters that the browser shows, software ones too; none where it has no WebGPU. */
export async function listGpus(): Promise<DeviceInfo[]> {
  const { browserGpus, listDevices } = await load();
  return listDevices(browserGpus);
}

/**
 * Measures the kernels of some plans on the browser's GPU, and keeps the fastest candidates in the page's own storage.
 * @throws UserError where there is no such GPU.
 */
export async function tuneGpu(gpu: string | undefined, work: TuneWork): Promise<TunedGpu> {
  const { browserGpus } = await load();
  return tuneOn(browserGpus, gpu, await measured(true), work);
}
