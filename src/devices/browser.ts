import type { Backend } from '../backends/backend.js';
import { UserError } from '../errors.js';
import type { DeviceKind } from './kind.js';
import { webgpu } from './navigator.js';

export { listGpus, tuneGpu } from './navigator.js';

/** The backend of CPU cores where a script has brought it along. */
let brought: Backend | undefined;

/** Gives the backend of CPU cores to where nothing can be fetched later (`serviceWorker.ts`). */
export function bringWasm(backend: Backend): void {
  brought = backend;
}

/** Fetched where it is needed: a page on a GPU does without. */
async function load(): Promise<Backend> {
  if (brought) return brought;
  try {
    return (await import('../backends/wasm/inBrowser.js')).wasmBackend;
  } catch (error) {
    if (!('ServiceWorkerGlobalScope' in globalThis)) throw error;
    throw new UserError(
      "a service worker may not fetch code later: import from 'vnet-segmentation/service-worker', or bundle into one file",
    );
  }
}

const wasm: DeviceKind<'wasm'> = {
  name: 'wasm',
  automatic: true,
  named: false,
  find: async () => ({ open: load }),
  scratchBytes: async () => (await load()).scratchBytes,
};

/** Every kind of device in a browser, in the order in which `auto` tries them. */
export const devices = [webgpu, wasm] as const;
