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

export type { Backend, BackendOptions, Executor } from './backends/backend.js';
export { referenceBackend } from './backends/reference/index.js';
export { wasmBackend } from './backends/wasm/index.js';
export type { DeviceInfo } from './backends/webgpu/info.js';
export type { InferenceOptions, Precision, SizeOptions, TrainingOptions } from './compile.js';
export { compileInference, compileTraining, IGNORE, LOSS_SCALE } from './compile.js';
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
export type { DeviceName, Place } from './device.js';
export { listGpus, openDevice } from './device.js';
export { UserError } from './errors.js';
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
export type { Activation, AuxiliaryLoss, ConvOptions, ConvTransposeOptions } from './graph/builder.js';
export { Builder } from './graph/builder.js';
export type { PlanCost, StageCost } from './graph/cost.js';
export { costOf } from './graph/cost.js';
export type { Policy } from './graph/differentiate.js';
export { policies } from './graph/differentiate.js';
export type { Call, MemoryPoint, Plan, ScratchRule, Slot, TensorRef } from './graph/planned.js';
export type { DType, Shape, Value } from './ir/value.js';
export { averageModels } from './model/average.js';
export type { ModelInfo } from './model/format.js';
export { loadModel, shippedModel } from './model/load.js';
export type { Model, ModelOptions } from './model/model.js';
export type { NetworkKind, Schema } from './nets/define.js';
export { defineNetwork } from './nets/define.js';
export { networkFromConfig, networkNames, networks } from './nets/index.js';
export { initialWeights } from './nets/initialize.js';
export type { Network } from './nets/network.js';
export { imageNorm } from './nets/normalization.js';
export type { VNetConfig, VNetOptions } from './nets/vnet.js';
export { vnet } from './nets/vnet.js';
export { hyperOf } from './optimizers/index.js';
export { predict } from './predict.js';
export type { CompileOptions, RunOn } from './run.js';
export { compile } from './run.js';
export type { Outline, OutlineOptions, Point } from './segmenter/outlines.js';
export type { RawPixels } from './segmenter/pixels.js';
export type { ClassArea, RgbaImage, SegmentClass } from './segmenter/segmentation.js';
export { Segmentation } from './segmenter/segmentation.js';
export type {
  ModelSource,
  PictureSource,
  SegmentedFrame,
  SegmenterOptions,
  SegmentOptions,
  StreamOptions,
} from './segmenter/segmenter.js';
export { Segmenter } from './segmenter/segmenter.js';
export type { VideoOptions, VideoPicture } from './stream/frames.js';
export { videoFrames } from './stream/frames.js';
export type { TrainConfig } from './train/config.js';
export type { TrainEvent, TrainResult } from './train/events.js';
export type { Files } from './train/filesStore.js';
export { FilesStore, MemoryFiles } from './train/filesStore.js';
export type { LabelledPicture } from './train/labelledPicture.js';
export type { PicturesConfig, TrainPicturesOptions } from './train/pictures.js';
export { trainPictures } from './train/pictures.js';
export type { TrainOptions } from './train/train.js';
export { train } from './train/train.js';
