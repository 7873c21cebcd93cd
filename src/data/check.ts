import { enetWeights, medianWeights } from './classWeights.js';
import type { Dataset } from './dataset.js';
import { openDataset } from './datasets.js';
import type { Problem } from './read-sample.js';
import { type Inspected, inspect, type Use } from './trainable.js';

export type { Problem } from './read-sample.js';

/** Options of {@link checkDataset}: what it is to be used for, by default a training with validation. */
export interface CheckOptions extends Use {
  /** Only this split, as the one to train on; a split of that use's `val` or named test keeps its part. */
  split?: string;
  /** Cityscapes: with the coarse set. */
  extra?: boolean;
  /** Threads; default one a core, at most 8. */
  workers?: number;
  onProgress?: (done: number, total: number) => void;
}

/** One class's part of a split. */
export interface ClassFacts {
  name: string;
  pixels: number;
  /** Of all labelled (not ignored) pixels, 0 to 1. */
  share: number;
  /** Images that contain it. */
  images: number;
  /** ENet: 1 / ln(1.02 + share). */
  enetWeight: number;
  /** Median frequency balancing: median(f) / f with f = pixels / pixels of the images that contain it; 0 where absent. */
  medianWeight: number;
}

/** What a scan of one split found. */
export interface SplitReport {
  split: string;
  images: number;
  labelled: number;
  /** Sizes as `height×width` with counts, most frequent first. */
  sizes: { size: string; images: number }[];
  classes: ClassFacts[];
  ignoredPixels: number;
}

/** What {@link checkDataset} found. */
export interface Report {
  dir: string;
  layout: string;
  splits: SplitReport[];
  problems: Problem[];
  /** True where training would fail. */
  fatal: boolean;
}

/**
 * Reads every file of a data set and reports counts, sizes, the class histogram and all problems: `fatal` is what a
 * training for the same use would refuse. Only a folder that cannot be opened at all throws.
 * @throws UserError as {@link openDataset}.
 */
export async function checkDataset(dir: string, options: CheckOptions = {}): Promise<Report> {
  const { split, extra } = options;
  return { ...(await checkOpened(await openDataset(dir, { split, extra }), options)), dir };
}

/** As {@link checkDataset}, of a data set that is open; `extra` says nothing here. */
export async function checkOpened(dataset: Dataset, options: CheckOptions = {}): Promise<Report> {
  const { split, extra: _, workers, onProgress, ...asked } = options;
  const use = useOf(asked, split);
  const others = split === undefined ? dataset.splits : [split];
  const { splits, problems } = await inspect(dataset, use, { others, workers, onProgress });
  return {
    dir: dataset.root,
    layout: dataset.name,
    splits: splits.map((inspected) => summarise(dataset, inspected)),
    problems,
    fatal: problems.some((problem) => problem.fatal),
  };
}

function useOf(asked: Use, split: string | undefined): Use {
  const { train = 'train', val = 'val' } = asked;
  if (split === undefined) return { ...asked, train, val };
  if (split === val) return { ...asked, train: undefined, val };
  return { ...asked, train: split === 'test' ? undefined : split, val: undefined };
}

function summarise(dataset: Dataset, { split, samples, facts }: Inspected): SplitReport {
  const n = dataset.classes.names.length;
  const pixels = new Array<number>(n + 1).fill(0);
  const images = new Array<number>(n).fill(0);
  const pixelsOfImages = new Array<number>(n).fill(0);
  const sizes = new Map<string, number>();
  for (const fact of facts) {
    if (fact.height !== undefined) {
      const key = `${fact.height}×${fact.width}`;
      sizes.set(key, (sizes.get(key) ?? 0) + 1);
    }
    const valid = fact.pixels.slice(0, n).reduce((a, b) => a + b, 0);
    fact.pixels.forEach((count, c) => {
      pixels[c] += count;
      if (c < n && count > 0) {
        images[c]++;
        pixelsOfImages[c] += valid;
      }
    });
  }
  const all = pixels.slice(0, n).reduce((a, b) => a + b, 0);
  const enet = enetWeights(pixels.slice(0, n));
  const median = medianWeights(pixels.slice(0, n), pixelsOfImages);
  return {
    split,
    images: facts.length,
    labelled: samples.filter((sample) => sample.labels).length,
    sizes: [...sizes].map(([size, count]) => ({ size, images: count })).sort((a, b) => b.images - a.images),
    classes: dataset.classes.names.map((name, c) => ({
      name,
      pixels: pixels[c],
      share: all > 0 ? pixels[c] / all : 0,
      images: images[c],
      enetWeight: enet[c],
      medianWeight: median[c],
    })),
    ignoredPixels: pixels[n],
  };
}
