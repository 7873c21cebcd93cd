import type { InferenceOptions } from './compile.js';
import type { LabelImage, RgbImage } from './data/image.js';
import { readImage } from './data/image.js';
import type { Place } from './device.js';
import { deviceAt } from './device.js';
import type { FittingOptions } from './eval/fitting.js';
import { fitted } from './eval/fitting.js';
import { predictLabels } from './eval/predict.js';
import { Predictor } from './eval/predictor.js';
import { loadModel } from './model/load.js';
import type { Model } from './model/model.js';
import type { RunOn } from './run.js';

/**
 * The class of each pixel of a picture, at the picture's own size; the model sees it at the size that suits the model
 * unless `resize` says otherwise. For many pictures, keep a {@link Predictor}.
 * @param model a loaded model, or the path of a model file.
 * @param image decoded RGB, or the path of a picture.
 * @returns train ids, `width × height` bytes.
 * @throws UserError naming the file that is missing or damaged, or for pictures below 32×32.
 */
export async function predict(
  model: Model | string,
  image: RgbImage | string,
  options: FittingOptions & Pick<RunOn, keyof Place | 'threads'> & Pick<InferenceOptions, 'precision'> = {},
): Promise<LabelImage> {
  const { network, weights, info } = typeof model === 'string' ? await loadModel(model) : model;
  const picture = typeof image === 'string' ? await readImage(image) : image;
  const { device, gpu, threads, precision, ...view } = options;
  const backend = await deviceAt({ device, gpu });
  const predictor = new Predictor(network, weights, { backend, threads, precision, sizes: 1 });
  try {
    return await predictLabels(predictor, picture, fitted(view, info, picture));
  } finally {
    await predictor.dispose();
  }
}
