import type { Backend } from '../backend.js';
import { wasmBackendOn } from './backend.js';
import type { Build } from './runtime/module.js';
import { nodeHost } from './runtime/node.js';

/** The CPU in Node: worker threads over shared memory. `build`: default, the best there is. */
export const createWasmBackend = (build?: Build): Backend => wasmBackendOn(nodeHost, build);

export const wasmBackend: Backend = createWasmBackend();
