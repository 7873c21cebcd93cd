/** What the page uses of the library: one place, whose files the build makes before. */

export { wasmBackend } from '../../build/src/backends/wasm/inBrowser.js';
export type {
  Backend,
  ClassArea,
  Files,
  LabelledPicture,
  PicturesConfig,
  Plan,
  SegmentClass,
  SegmentOptions,
  TrainEvent,
  TrainResult,
} from '../../build/src/browser.js';
export {
  compile,
  compileInference,
  compileTraining,
  costOf,
  DeviceError,
  FilesStore,
  listGpus,
  MemoryError,
  MemoryFiles,
  networkFromConfig,
  networkNames,
  openDevice,
  openOpfs,
  policies,
  Segmentation,
  Segmenter,
  trainPictures,
} from '../../build/src/browser.js';
export { fittingSize } from '../../build/src/eval/fitting.js';
export { decodeModel } from '../../build/src/model/format.js';
export { modelOf } from '../../build/src/model/model.js';
export type { Network } from '../../build/src/nets/network.js';
export { readModelBytes } from '../../build/src/segmenter/browser.js';
export type { Metrics } from '../../build/src/train/metricsLine.js';
export type { TrainingState } from '../../build/src/train/state.js';
