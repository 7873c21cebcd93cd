import type { Dataset, Sample } from '../data/dataset.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { size } from '../data/image.js';
import { readInstances } from '../data/label-image.js';
import { type Batch, Loader } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { ModelInfo } from '../model/format.js';
import { outputsFor } from '../model/outputs.js';
import type { Calibration } from './calibration.js';
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
  /** Takes each pixel's probability of its class and whether it is right; costs time. */
  readonly calibration?: Calibration;
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
  const scorer = await SampleScorer.open(predictor, dataset, options);
  const { samples } = scorer;
  const sum = new EvaluationSum(dataset, split, options);
  const loader = options.loader ?? new Loader(dataset, split, { workers: 1 });
  let done = 0;
  try {
    for await (const batch of loader.batches(0)) {
      signal?.throwIfAborted();
      const sample = samples[done++];
      const { images, labels: trainIds, height, width } = batch;
      const { prediction, ...scores } = await scorer.score(sample, batch);
      const miou = sum.add(scores);
      const image = { height, width, data: images };
      const labels = { height, width, data: trainIds };
      await onImage?.({ sample, image, labels, prediction, miou }, done, samples.length);
    }
  } finally {
    if (!options.loader) await loader.close();
  }
  return sum.finish();
}

/** What one image gives an evaluation. */
export interface SampleScores {
  readonly confusion: ConfusionMatrix;
  /** Of an `InstanceCounter`, where the data set has instances. */
  readonly instances?: readonly number[];
  /** Milliseconds in the network. */
  readonly ms: number;
}

/** Scores images one by one; what it gives is added by {@link EvaluationSum}, here or elsewhere. */
export class SampleScorer {
  private constructor(
    private readonly predictor: Predictor,
    private readonly dataset: Dataset,
    private readonly options: EvaluateOptions,
    readonly samples: readonly Sample[],
    private readonly outputs: ArrayLike<number> | undefined,
  ) {}

  /** @throws UserError: a split without labels, or a data set with other classes than the model. */
  static async open(predictor: Predictor, dataset: Dataset, options: EvaluateOptions): Promise<SampleScorer> {
    const { split = 'val' } = options;
    const samples = await scoredSamples(dataset, split);
    const outputs = outputsOf(predictor.network.classes, dataset, options);
    return new SampleScorer(predictor, dataset, options, samples, outputs);
  }

  /** @param batch the image and its labels, as a loader gives them. */
  async score(
    sample: Sample,
    { images, labels, height, width }: Batch,
  ): Promise<SampleScores & { readonly prediction: LabelImage }> {
    const { predictor, dataset, options, outputs } = this;
    const image = { height, width, data: images };
    const certain = options.calibration && new Uint8Array(height * width);
    const start = performance.now();
    const prediction = await named(sample.image, () => predictLabels(predictor, image, options, certain));
    const ms = performance.now() - start;
    if (outputs)
      prediction.data.forEach((output, i) => {
        prediction.data[i] = outputs[output];
      });
    const { length: classes } = dataset.classes.names;
    if (certain) options.calibration!.add(labels, prediction.data, certain, classes);
    const confusion = new ConfusionMatrix(classes);
    confusion.add(labels, prediction.data);
    const counter = instanceCounter(dataset, this.samples, options);
    if (counter) await addInstances(counter, sample.instances!, prediction);
    return { confusion, ms, prediction, ...(counter ? { instances: counter.values() } : {}) };
  }
}

/** The sum of the images of a split, added in their order: fractions of instances round by it. */
export class EvaluationSum {
  private readonly confusion: ConfusionMatrix;
  private readonly counter: InstanceCounter | undefined;
  private images = 0;
  private networkMs = 0;

  constructor(
    private readonly dataset: Dataset,
    private readonly split: string,
    options: Pick<EvaluateOptions, 'instances'>,
  ) {
    this.confusion = new ConfusionMatrix(dataset.classes.names.length);
    this.counter = instanceCounter(dataset, dataset.samples(split), options);
  }

  /** Numbers of {@link SampleScores.instances}. */
  get instanceValues(): number {
    return this.counter?.values().length ?? 0;
  }

  /** @returns the mIoU over the classes of the image alone. */
  add({ confusion, instances, ms }: SampleScores): number | undefined {
    this.confusion.merge(confusion);
    if (instances) this.counter?.addValues(instances);
    this.images++;
    this.networkMs += ms;
    return scoresOf(confusion).miou;
  }

  finish(): Evaluation {
    const { split, images, confusion, networkMs, counter } = this;
    const { categories } = this.dataset.classes;
    return {
      split,
      images,
      scores: scoresOf(confusion, { categories, instances: counter }),
      confusion,
      networkMs,
    };
  }
}

/** @throws UserError for a split without labels. */
async function scoredSamples(dataset: Dataset, split: string): Promise<Sample[]> {
  const samples = dataset.samples(split);
  if (await dataset.hasLabels(split)) return samples;
  throw new UserError(
    `${dataset.root}: split '${split}' has no labels, so there is nothing to score; predict it instead, or choose another split`,
  );
}

/** Which class of the data set each output is; `undefined` where they are the same. @throws UserError where they do not fit. */
function outputsOf(
  count: number,
  dataset: Dataset,
  { classes }: Pick<EvaluateOptions, 'classes'>,
): ReturnType<typeof outputsFor> {
  const { names } = dataset.classes;
  const own = Array.from({ length: count }, (_, i) => names[i] ?? `class ${i}`);
  return outputsFor(classes ?? { names: own }, dataset.classes, dataset.root);
}

/** A counter for data sets whose classes have published average instance sizes, if there are instance files. */
function instanceCounter(
  dataset: Dataset,
  samples: readonly Sample[],
  options: Pick<EvaluateOptions, 'instances'>,
): InstanceCounter | undefined {
  if (options.instances === false || !samples.every((sample) => sample.instances)) return undefined;
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
