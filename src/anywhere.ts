/** What a program may import in Node and in a browser alike. */

export type { Backend, BackendOptions, Executor } from './backends/backend.js';
export { referenceBackend } from './backends/reference/index.js';
export type { DeviceInfo } from './backends/webgpu/info.js';
export type { TunedGpu, TuneWork } from './backends/webgpu/tuning/result.js';
export type { InferenceOptions, Precision, SizeOptions, TrainingOptions } from './compile.js';
export { compileInference, compileTraining, IGNORE, LOSS_SCALE } from './compile.js';
export type { Files } from './data/storage/named.js';
export { MemoryFiles } from './data/storage/named.js';
export type { DeviceName, Place } from './device.js';
export { listGpus, openDevice, tuneGpu } from './device.js';
export { DeviceError, MemoryError, UserError } from './errors.js';
export type { Activation, AuxiliaryLoss, ConvOptions, ConvTransposeOptions } from './graph/builder.js';
export { Builder } from './graph/builder.js';
export type { PlanCost, StageCost } from './graph/cost.js';
export { costOf } from './graph/cost.js';
export type { Policy } from './graph/differentiate.js';
export { policies } from './graph/differentiate.js';
export type { Call, MemoryPoint, Plan, ScratchRule, Slot, TensorRef } from './graph/planned.js';
export type { DType, Shape, Value } from './ir/value.js';
export type { NetworkKind, Schema } from './nets/define.js';
export { defineNetwork } from './nets/define.js';
export { networkFromConfig, networkNames, networks } from './nets/index.js';
export { initialWeights } from './nets/initialize.js';
export type { Network } from './nets/network.js';
export { imageNorm } from './nets/normalization.js';
export type { VNetConfig, VNetOptions } from './nets/vnet.js';
export { vnet } from './nets/vnet.js';
export { hyperOf } from './optimizers/index.js';
export type { CompileOptions, RunOn } from './run.js';
export { compile } from './run.js';
export type { Outline, OutlineOptions, Point } from './segmenter/outlines.js';
export type { RawPixels } from './segmenter/pixels.js';
export type { Bitmap, ClassArea, RgbaImage, SegmentClass } from './segmenter/segmentation.js';
export { Segmentation } from './segmenter/segmentation.js';
export type {
  DrawOptions,
  ModelSource,
  PictureSource,
  SegmentedFrame,
  SegmenterOptions,
  SegmentOptions,
  StreamOptions,
} from './segmenter/segmenter.js';
export { Segmenter } from './segmenter/segmenter.js';
export type { TrainConfig } from './train/config.js';
export type { TrainEvent, TrainResult } from './train/events.js';
export { FilesStore } from './train/filesStore.js';
export type { LabelledPicture } from './train/labelledPicture.js';
export type { PicturesConfig, TrainPicturesOptions } from './train/pictures.js';
export { trainPictures } from './train/pictures.js';
