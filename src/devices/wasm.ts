import { wasmBackend } from '../backends/wasm/index.js';
import type { DeviceKind } from './kind.js';

/** CPU cores, which are always there. */
export const wasm: DeviceKind<'wasm'> = {
  name: 'wasm',
  automatic: true,
  named: false,
  find: async () => ({ open: async () => wasmBackend }),
  scratchBytes: async () => wasmBackend.scratchBytes,
};
