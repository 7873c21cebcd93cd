/**
 * vnet-segmentation for a service worker, of a page or of a browser extension (MV3). The same as in a page, on one CPU
 * core; everything is imported at once, as a service worker may not fetch code later (`import()`).
 *
 *     import { Segmenter } from 'vnet-segmentation/service-worker';
 *
 * A model of another network than VNet needs its description: `Segmenter.load({ model, networks })`, both exported here.
 */
import { wasmBackend } from './backends/wasm/inBrowser.js';
import { bringWasm } from './devices/browser.js';

export * from './anywhere.js';

bringWasm(wasmBackend);
