import { wasmBackendOn } from './backend.js';
import { browserHost } from './runtime/browser.js';

/** CPU cores in a browser: web workers over shared memory, or the page's own thread where it is not isolated. */
export const wasmBackend = wasmBackendOn(browserHost);
