import type { SampleCache } from '../data/cache.js';
import { checkOpened } from '../data/check.js';
import { enetWeights } from '../data/classWeights.js';
import type { Dataset } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { withHeldOut } from '../data/holdOut.js';
import { Loader } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { BatchSource } from './batches.js';
import type { ResolvedTrainConfig } from './config.js';
import { softFilesOf } from './teacher.js';

/**
 * The data set of a run, with what is held out as its validation split.
 * @throws UserError as `openDataset` and `withHeldOut`.
 */
export async function openTrainingData(config: ResolvedTrainConfig): Promise<Dataset> {
  const { data, trainSplit, valSplit, extra, holdOut } = config;
  const dataset = await openDataset(data, { split: trainSplit, extra });
  return holdOut ? withHeldOut(dataset, { train: trainSplit, val: valSplit }, holdOut) : dataset;
}

/** The loader of a run's training split: shuffled, augmented, full batches only. */
export function trainingLoader(dataset: Dataset, config: ResolvedTrainConfig, cache: SampleCache): Loader {
  const loader = new Loader(dataset, config.trainSplit, {
    batch: config.batch,
    seed: config.seed,
    shuffle: true,
    size: config.size,
    augment: config.augment,
    workers: config.workers,
    cache,
    epochs: config.epochs,
    soft: config.teacher && { fileOf: softFilesOf(config.out), share: config.teacher.share },
  });
  if (loader.steps < config.accumulate) {
    throw new UserError(
      `accumulate is ${config.accumulate}, but split '${config.trainSplit}' of ${dataset.root} has only ${loader.steps} batches an epoch`,
      2,
    );
  }
  return loader;
}

/** Largest decoded sample that is kept by default. */
const smallSample = 4 * 2 ** 20;

/**
 * Bytes of decoded samples to keep, of training and validation together: as asked, or an eighth of what the plan
 * leaves, up to 1 GiB. By default none of large images (more than a megapixel): few would fit, and decoding one takes
 * a small part of the time that the network takes for it.
 * @param image size as decoded, before cropping. @param left bytes of memory that nothing else needs.
 */
export function cacheBudget(
  { cacheMiB }: Pick<ResolvedTrainConfig, 'cacheMiB'>,
  image: { height: number; width: number },
  left: number,
): number {
  if (cacheMiB !== undefined) return cacheMiB * 2 ** 20;
  if (4 * image.height * image.width > smallSample) return 0;
  return Math.max(0, Math.min(2 ** 30, left / 8));
}

/** The loader's batches, each checked to have the size the plan was made for. */
export function checkedSource(
  loader: Loader,
  cache: SampleCache,
  { height, width }: { height: number; width: number },
): BatchSource {
  return {
    steps: loader.steps,
    get waitMs() {
      return loader.waitMs;
    },
    get cacheBytes() {
      return cache.bytes;
    },
    ids: (epoch, step) => loader.ids(epoch, step),
    async *batches(epoch, startStep) {
      for await (const batch of loader.batches(epoch, startStep)) {
        if (batch.height !== height || batch.width !== width) {
          const sample = loader.samples.find(({ id }) => id === batch.ids[0]);
          throw new UserError(
            `${sample?.image}: is ${batch.height}×${batch.width}, but ${loader.samples[0].image} is ${height}×${width}; training needs one size, choose a crop or resize size`,
          );
        }
        yield { ...batch, release: () => loader.recycle(batch) };
      }
    },
  };
}

/**
 * The weight of each class in the loss; `undefined` where all weigh the same. Derived weights come from the pixels of
 * the training split, which is read for it.
 */
export async function classWeightsOf(
  dataset: Dataset,
  config: ResolvedTrainConfig,
): Promise<number[] | undefined> {
  const { classWeights } = config;
  if (classWeights === 'none') return undefined;
  if (Array.isArray(classWeights)) {
    const { names } = dataset.classes;
    if (classWeights.length === names.length) return classWeights;
    throw new UserError(
      `classWeights has ${classWeights.length} numbers, but ${dataset.root} has ${names.length} classes; give one each`,
      2,
    );
  }
  const report = await checkOpened(dataset, { split: config.trainSplit });
  const { classes } = report.splits[0];
  if (classWeights === 'median') return classes.map(({ medianWeight }) => medianWeight);
  return enetWeights(
    classes.map(({ pixels }) => pixels),
    classWeights === 'enet' ? undefined : classWeights.enet,
  );
}
