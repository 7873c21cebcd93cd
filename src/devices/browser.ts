import { wasmBackendOn } from '../backends/wasm/backend.js';
import { browserHost } from '../backends/wasm/runtime/browser.js';
import type { DeviceKind } from './kind.js';
import { webgpu } from './navigator.js';

export { listGpus, tuneGpu } from './navigator.js';

/** CPU cores in a browser: web workers over shared memory, or the page's own thread where it is not isolated. */
export const wasmBackend = wasmBackendOn(browserHost);

const wasm: DeviceKind<'wasm'> = {
  name: 'wasm',
  automatic: true,
  named: false,
  find: async () => ({ open: async () => wasmBackend }),
  scratchBytes: async () => wasmBackend.scratchBytes,
};

/** Every kind of device in a browser, in the order in which `auto` tries them. */
export const devices = [webgpu, wasm] as const;
