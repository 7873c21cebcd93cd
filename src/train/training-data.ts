import { checkDataset, enetWeights } from '../data/check.js';
import type { Dataset } from '../data/dataset.js';
import { readImage } from '../data/image.js';
import { Loader } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { ResolvedTrainConfig } from './config.js';
import { usableMemory } from './memory.js';
import type { BatchSource } from './trainer.js';

/** The loader of a run's training split: shuffled, augmented, full batches only. */
export function trainingLoader(dataset: Dataset, config: ResolvedTrainConfig): Loader {
  const loader = new Loader(dataset, config.trainSplit, {
    batch: config.batch,
    seed: config.seed,
    shuffle: true,
    size: config.size,
    augment: config.augment,
    workers: config.workers,
    cacheBytes: cacheBytes(config),
  });
  if (loader.steps < config.accumulate) {
    throw new UserError(
      `accumulate is ${config.accumulate}, but split '${config.trainSplit}' of ${dataset.root} has only ${loader.steps} batches an epoch`,
      2,
    );
  }
  return loader;
}

/** Bytes of decoded images to keep: as asked, or an eighth of the machine's memory up to 1 GiB. */
export const cacheBytes = ({ cacheMiB }: Pick<ResolvedTrainConfig, 'cacheMiB'>): number =>
  cacheMiB === undefined ? Math.min(2 ** 30, usableMemory() / 8) : cacheMiB * 2 ** 20;

/** The size of every training image: as asked, or that of the first image for `full`. */
export async function imageSize(
  loader: Loader,
  { size }: Pick<ResolvedTrainConfig, 'size'>,
): Promise<{ height: number; width: number }> {
  if (size !== 'full') {
    const [height, width] = 'crop' in size ? size.crop : size.resize;
    return { height, width };
  }
  const { height, width } = await readImage(loader.samples[0].image);
  return { height, width };
}

/** The loader's batches, each checked to have the size the plan was made for. */
export function checkedSource(loader: Loader, height: number, width: number): BatchSource {
  return {
    steps: loader.steps,
    get waitMs() {
      return loader.waitMs;
    },
    async *batches(epoch, startStep) {
      for await (const batch of loader.batches(epoch, startStep)) {
        if (batch.height !== height || batch.width !== width) {
          const sample = loader.samples.find(({ id }) => id === batch.ids[0]);
          throw new UserError(
            `${sample?.image}: is ${batch.height}×${batch.width}, but ${loader.samples[0].image} is ${height}×${width}; training needs one size, choose a crop or resize size`,
          );
        }
        yield batch;
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
  const report = await checkDataset(dataset.root, { split: config.trainSplit, extra: config.extra });
  const { classes } = report.splits[0];
  if (classWeights === 'median') return classes.map(({ medianWeight }) => medianWeight);
  return enetWeights(
    classes.map(({ pixels }) => pixels),
    classWeights === 'enet' ? undefined : classWeights.enet,
  );
}
