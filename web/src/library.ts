/** What the page uses of the library: one place, whose files the build makes before. */
export type { ClassArea, Plan, SegmentClass } from '../../build/src/browser.js';
export {
  compileInference,
  compileTraining,
  costOf,
  networkFromConfig,
  networkNames,
  policies,
  Segmentation,
  Segmenter,
} from '../../build/src/browser.js';
export { wasmBackend } from '../../build/src/devices/browser.js';
