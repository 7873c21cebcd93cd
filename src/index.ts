/**
 * vnet-segmentation: trains and runs VNet, real-time semantic segmentation at full resolution.
 *
 * From a data set to labels: {@link train}, {@link evaluate}, {@link predict}. Below that: a network ({@link vnet}) is
 * compiled to a plan ({@link compileTraining}, {@link compileInference}: plain data, nothing runs), and a backend
 * ({@link openDevice}: CPU cores or a GPU) prepares and executes it ({@link compile} does both).
 *
 * Images are u8 RGB in `N×H×W×3`, labels u8 train ids in `N×H×W` with 255 for "ignore". Mistakes that a caller can mend
 * are thrown as {@link UserError} with a message of one line.
 */

export * from './anywhere.js';
export { wasmBackend } from './backends/wasm/index.js';
export type { ClassTable, Rgb } from './data/classes.js';
export { readClasses } from './data/classes.js';
export type { Dataset, Sample } from './data/dataset.js';
export { openDataset } from './data/datasets.js';
export type { LabelImage, RgbImage } from './data/image.js';
export {
  colourise,
  overlay,
  readImage,
  writeColourPng,
  writeLabelPng,
  writeOverlayPng,
} from './data/image.js';
export { readLabels } from './data/label-image.js';
export { camvidClasses } from './data/layouts/camvid.js';
export { cityscapesClasses } from './data/layouts/cityscapes.js';
export { readSample } from './data/read-sample.js';
export type { SyntheticOptions } from './data/synth.js';
export { renderScene, writeSynthetic } from './data/synth.js';
export type { CalibrationBin } from './eval/calibration.js';
export { Calibration } from './eval/calibration.js';
export { ConfusionMatrix } from './eval/confusion.js';
export type { EvaluatedImage, EvaluateOptions, Evaluation } from './eval/evaluate.js';
export { evaluate } from './eval/evaluate.js';
export type { FittingOptions } from './eval/fitting.js';
export { fitted, fittingSize } from './eval/fitting.js';
export type { Scores } from './eval/iou.js';
export { scoresOf } from './eval/iou.js';
export type { PredictOptions } from './eval/predict.js';
export { predictLabels } from './eval/predict.js';
export type { CoarseLogits, PredictorOptions } from './eval/predictor.js';
export { Predictor } from './eval/predictor.js';
export { averageModels } from './model/average.js';
export type { ModelInfo } from './model/format.js';
export { loadModel, shippedModel, shippedModels } from './model/load.js';
export type { Model, ModelOptions } from './model/model.js';
export { predict } from './predict.js';
export type { VideoOptions, VideoPicture } from './stream/frames.js';
export { videoFrames } from './stream/frames.js';
export type { TrainOptions } from './train/train.js';
export { train } from './train/train.js';
