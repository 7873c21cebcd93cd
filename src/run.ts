import type { Executor } from './backends/backend.js';
import type { InferenceOptions, TrainingOptions } from './compile.js';
import { compileInference, compileTraining } from './compile.js';
import type { LabelImage, RgbImage } from './data/image.js';
import { readImage } from './data/image.js';
import type { Place } from './device.js';
import { deviceAt } from './device.js';
import type { PredictOptions } from './eval/predict.js';
import { predictLabels } from './eval/predict.js';
import { Predictor } from './eval/predictor.js';
import type { Model } from './model/model.js';
import { loadModel } from './model/model.js';
import { initialWeights } from './nets/initialize.js';
import type { Network } from './nets/network.js';

/** Where and with what a compiled network runs. */
export interface RunOn extends Place {
  /** Worker threads of the CPU backend; results do not depend on it. Default: the machine's cores. */
  readonly threads?: number;
  /** Parameters and running statistics by slot name, such as `Model.weights`. Default: fresh ones from `seed`. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
  /** Of fresh weights. Default 1. */
  readonly seed?: number;
}

/** Options of {@link compile}. Sizes in pixels, at least 32. */
export type CompileOptions = RunOn &
  (
    | ({ readonly mode: 'train' } & Omit<TrainingOptions, 'scratchBytes'>)
    | ({ readonly mode: 'infer' } & Omit<InferenceOptions, 'scratchBytes'>)
  );

/**
 * Plans a network for one size and prepares it on a device, weights loaded: ready to run.
 *
 * - `train`: write `images` (u8 `N×H×W×3`), `labels` (u8 `N×H×W`, 255 is ignored) and `hyper` (see `hyperOf`), run
 *   the phases `forward`, `backward`, `update`; `loss` holds the mean cross-entropy and the number of labelled pixels.
 * - `infer`: write `images`, run `forward`; `prediction` holds u8 labels `N×H×W` (or `logits`, as asked).
 *
 * `executor.plan` tells the exact memory before any of it is touched.
 * @throws UserError for sizes that cannot be, or more memory than the device gives, or a device that cannot be had.
 */
export async function compile(network: Network, options: CompileOptions): Promise<Executor> {
  const { threads, seed = 1 } = options;
  const device = await deviceAt(options);
  const { scratchBytes } = device;
  const plan =
    options.mode === 'train'
      ? compileTraining(network, { ...options, scratchBytes })
      : compileInference(network, { ...options, scratchBytes });
  const executor = await device.prepare(plan, { threads });
  for (const [name, data] of options.weights ?? initialWeights(plan, seed)) executor.write(name, data);
  if (options.mode === 'infer') await executor.run('prepare');
  return executor;
}

/**
 * The class of each pixel of a picture, at the picture's own size. For many pictures, keep a {@link Predictor}.
 * @param model a loaded model, or the path of a model file.
 * @param image decoded RGB, or the path of a picture.
 * @returns train ids, `width × height` bytes.
 * @throws UserError naming the file that is missing or damaged, or for pictures below 32×32.
 */
export async function predict(
  model: Model | string,
  image: RgbImage | string,
  options: PredictOptions & Pick<RunOn, keyof Place | 'threads'> & Pick<InferenceOptions, 'precision'> = {},
): Promise<LabelImage> {
  const { network, weights } = typeof model === 'string' ? await loadModel(model) : model;
  const picture = typeof image === 'string' ? await readImage(image) : image;
  const { device, gpu, threads, precision, ...view } = options;
  const backend = await deviceAt({ device, gpu });
  const predictor = new Predictor(network, weights, { backend, threads, precision, sizes: 1 });
  try {
    return await predictLabels(predictor, picture, view);
  } finally {
    await predictor.dispose();
  }
}
