import type { Dataset, Sample } from '../data/dataset.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { size } from '../data/image.js';
import { readInstances } from '../data/label-image.js';
import { Loader } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { ModelInfo } from '../model/format.js';
import { outputsFor } from '../model/outputs.js';
import { ConfusionMatrix } from './confusion.js';
import type { InstanceClass } from './instances.js';
import { cityscapesInstanceSizes, InstanceCounter } from './instances.js';
import type { Scores } from './iou.js';
import { scoresOf } from './iou.js';
import type { PredictOptions } from './predict.js';
import { predictLabels } from './predict.js';
import type { Predictor } from './predictor.js';

/** One image of an evaluation. */
export interface EvaluatedImage {
  readonly sample: Sample;
  readonly image: RgbImage;
  readonly labels: LabelImage;
  readonly prediction: LabelImage;
  /** mIoU over the classes of this image alone. */
  readonly miou: number | undefined;
}

export interface EvaluateOptions extends PredictOptions {
  /** Default `val`. */
  readonly split?: string;
  /** Stop early: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Add the instance-weighted scores where the data set has instance files. Default true. */
  readonly instances?: boolean;
  /** A loader of the split with batch 1, used instead of a new one: keeps its threads and cache for the next time. */
  readonly loader?: Loader;
  /** What the model's outputs are. Default: the classes of the data set, in their order. */
  readonly classes?: Pick<ModelInfo['classes'], 'names' | 'ignored'>;
  /** Called after each image, awaited. */
  readonly onImage?: (image: EvaluatedImage, done: number, total: number) => void | Promise<void>;
}

export interface Evaluation {
  readonly split: string;
  readonly images: number;
  readonly scores: Scores;
  readonly confusion: ConfusionMatrix;
  /** Milliseconds spent in the network, all images together; without decoding. */
  readonly networkMs: number;
}

/**
 * Runs a model over a split, each image at its own size, and scores it (see {@link scoresOf}).
 * @throws UserError: a split without labels, a data set with other classes than the model, or a bad file, named.
 */
export async function evaluate(
  predictor: Predictor,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { split = 'val', signal, onImage } = options;
  const samples = dataset.samples(split);
  if (!(await dataset.hasLabels(split))) {
    throw new UserError(
      `${dataset.root}: split '${split}' has no labels, so there is nothing to score; predict it instead, or choose another split`,
    );
  }
  const { names, categories } = dataset.classes;
  const own = Array.from({ length: predictor.network.classes }, (_, i) => names[i] ?? `class ${i}`);
  const outputs = outputsFor(options.classes ?? { names: own }, dataset.classes, dataset.root);
  const confusion = new ConfusionMatrix(names.length);
  const counter = options.instances === false ? undefined : instanceCounter(dataset, samples);
  const loader = options.loader ?? new Loader(dataset, split, { workers: 1 });
  let networkMs = 0;
  let done = 0;
  try {
    for await (const { images, labels: trainIds, height, width } of loader.batches(0)) {
      signal?.throwIfAborted();
      const sample = samples[done++];
      const image = { height, width, data: images };
      const labels = { height, width, data: trainIds };
      const start = performance.now();
      const prediction = await named(sample.image, () => predictLabels(predictor, image, options));
      networkMs += performance.now() - start;
      if (outputs)
        prediction.data.forEach((output, i) => {
          prediction.data[i] = outputs[output];
        });
      const matrix = new ConfusionMatrix(names.length);
      matrix.add(labels.data, prediction.data);
      confusion.merge(matrix);
      if (counter && sample.instances) await addInstances(counter, sample.instances, prediction);
      const { miou } = scoresOf(matrix);
      await onImage?.({ sample, image, labels, prediction, miou }, done, samples.length);
    }
  } finally {
    if (!options.loader) await loader.close();
  }
  const scores = scoresOf(confusion, { categories, instances: counter });
  return { split, images: samples.length, scores, confusion, networkMs };
}

/** A counter for data sets whose classes have published average instance sizes, if there are instance files. */
function instanceCounter(dataset: Dataset, samples: readonly Sample[]): InstanceCounter | undefined {
  if (!samples.every((sample) => sample.instances)) return undefined;
  const { names, hasInstances, toRaw, categories } = dataset.classes;
  const classes = names.flatMap((name, trainId): InstanceClass[] => {
    const averageSize = cityscapesInstanceSizes[name];
    return hasInstances[trainId] && averageSize ? [{ trainId, raw: toRaw[trainId], averageSize }] : [];
  });
  return classes.length > 0 ? new InstanceCounter(classes, categories) : undefined;
}

async function addInstances(counter: InstanceCounter, file: string, prediction: LabelImage): Promise<void> {
  const instances = await readInstances(file);
  if (instances.height !== prediction.height || instances.width !== prediction.width) {
    throw new UserError(
      `${file}: is ${size(instances)} but the image is ${size(prediction)}; both must have the same size`,
    );
  }
  counter.add(instances.data, prediction.data);
}

/** Adds the file to messages that cannot know it. */
async function named<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${file}: ${error.message}`, error.exitCode);
  }
}
