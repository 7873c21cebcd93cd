import type { Backend } from './backends/backend.js';
import { wasmBackend } from './backends/wasm/index.js';
import type { LabelImage, RgbImage } from './data/image.js';
import type { Model } from './eval/model.js';
import type { PredictOptions } from './eval/predict.js';
import { predictLabels } from './eval/predict.js';
import { Predictor } from './eval/predictor.js';

export type { Model } from './eval/model.js';
export { loadModel } from './eval/model.js';
export type { PredictOptions } from './eval/predict.js';

/** Where {@link predict} runs; a model stays where it ran first until it is released. */
export interface PlaceOptions {
  /** Default: the CPU. */
  readonly backend?: Backend;
  /** Threads of the CPU backend. Default: the machine's cores. */
  readonly threads?: number;
}

const predictors = new WeakMap<Model, Predictor>();

/**
 * The class (train id) of each pixel of an image, at the image's own size.
 * Memory and threads for the last two image sizes are kept for the next call; see {@link releaseModel}.
 * @param image 8-bit RGB, at least 32×32.
 * @throws UserError for smaller images, or options out of range.
 */
export function predict(
  model: Model,
  image: RgbImage,
  options: PredictOptions & PlaceOptions = {},
): Promise<LabelImage> {
  const { backend = wasmBackend, threads, ...rest } = options;
  let predictor = predictors.get(model);
  if (!predictor) {
    predictor = new Predictor(model.network, model.weights, { backend, threads });
    predictors.set(model, predictor);
  }
  return predictLabels(predictor, image, rest);
}

/** Frees what {@link predict} keeps for a model; it may be used again. */
export async function releaseModel(model: Model): Promise<void> {
  const predictor = predictors.get(model);
  predictors.delete(model);
  await predictor?.dispose();
}
