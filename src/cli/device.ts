import type { Backend } from '../backends/backend.js';
import { wasmBackend } from '../backends/wasm/index.js';

/** The backend that commands run on. */
export const defaultBackend: Backend = wasmBackend;
