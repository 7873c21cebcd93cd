/**
 * vnet-segmentation in a browser: the same {@link Segmenter}, networks, plans and kernels. Nothing here needs Node.
 *
 *     const segmenter = await Segmenter.load();
 *     const { areas, labels } = await segmenter.segment(document.querySelector('video'));
 *
 * Below that:
 *
 *     const device = await webgpu();
 *     const executor = await compile(vnet({ classes: 19 }), { mode: 'infer', device, batch: 1, height, width });
 *     executor.write('images', rgb);
 *     await executor.run('forward');
 *     const labels = await executor.read('prediction');
 */
import type { WebGpuBackend } from './backends/webgpu/info.js';
import { webgpu as kind } from './devices/navigator.js';

export type { Backend, Executor } from './backends/backend.js';
export { referenceBackend } from './backends/reference/index.js';
export type { DeviceInfo } from './backends/webgpu/info.js';
export type { InferenceOptions, Precision, SizeOptions, TrainingOptions } from './compile.js';
export { compileInference, compileTraining, IGNORE, LOSS_SCALE } from './compile.js';
export type { DeviceName, Place } from './device.js';
export { listGpus, openDevice } from './device.js';
export { UserError } from './errors.js';
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
export type { TrainConfig } from './train/config.js';
export type { TrainEvent, TrainResult } from './train/events.js';
export type { Files } from './train/filesStore.js';
export { FilesStore, MemoryFiles } from './train/filesStore.js';
export type { LabelledPicture } from './train/labelledPicture.js';
export { openOpfs } from './train/opfs.js';
export type { PicturesConfig, TrainPicturesOptions } from './train/pictures.js';
export { trainPictures } from './train/pictures.js';

/**
 * The browser's GPU. @param name part of an adapter's name: takes it even where it is software.
 * @throws UserError where there is no WebGPU, or no GPU but software ones.
 */
export async function webgpu(name?: string): Promise<WebGpuBackend> {
  return (await kind.find(name, true))!.open();
}
