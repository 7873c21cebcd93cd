import { availableParallelism } from 'node:os';
import type { Problem, SampleFacts } from './check-sample.js';
import type { Dataset } from './dataset.js';
import { openDataset } from './datasets.js';
import { Pool } from './pool.js';

export type { Problem } from './check-sample.js';

/** Options of {@link checkDataset}. */
export interface CheckOptions {
  /** Only this split; default all. */
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
 * Reads every file of a data set and reports counts, sizes, the class histogram and all problems. Only a
 * folder that cannot be opened at all throws.
 * @throws UserError as {@link openDataset}.
 */
export async function checkDataset(dir: string, options: CheckOptions = {}): Promise<Report> {
  const dataset = await openDataset(dir, { split: options.split, extra: options.extra });
  const splits = options.split === undefined ? dataset.splits : [options.split];
  const problems: Problem[] = [];
  const lists = splits.map((split) => ({ split, samples: list(dataset, split, problems) }));
  const total = lists.reduce((sum, { samples }) => sum + samples.length, 0);
  const pool = new Pool(options.workers ?? Math.min(8, availableParallelism()));
  let done = 0;
  const reports: SplitReport[] = [];
  try {
    for (const { split, samples } of lists) {
      const facts = await Promise.all(
        samples.map(async (sample) => {
          const found = await pool.run({ kind: 'check', sample, classes: dataset.classes });
          options.onProgress?.(++done, total);
          return found;
        }),
      );
      for (const { problems: found } of facts) problems.push(...found);
      const labelled = samples.filter((sample) => sample.labels).length;
      reports.push(summarise(dataset, split, facts, labelled));
      for (const sample of labelled > 0 ? samples : []) {
        if (sample.labels) continue;
        problems.push({
          file: sample.image,
          kind: 'missing-label',
          message: `${sample.image}: has no labels, expected ${sample.expectedLabels}`,
          fatal: true,
        });
      }
      mixed(split, samples, reports[reports.length - 1], problems);
    }
  } finally {
    await pool.close();
  }
  return {
    dir,
    layout: dataset.name,
    splits: reports,
    problems,
    fatal: problems.some((problem) => problem.fatal),
  };
}

function list(dataset: Dataset, split: string, problems: Problem[]) {
  try {
    return dataset.samples(split, { lenient: true });
  } catch (error) {
    const { message } = error as Error;
    problems.push({
      file: dataset.root,
      kind: 'empty',
      message,
      fatal: split === 'train' || split === 'val',
    });
    return [];
  }
}

/** Odd things that no single file shows. */
function mixed(
  split: string,
  samples: { encoding: string; labels?: string }[],
  report: SplitReport,
  problems: Problem[],
) {
  const encodings = new Set(samples.filter((sample) => sample.labels).map((sample) => sample.encoding));
  const train = samples.find((sample) => sample.labels && sample.encoding === 'train');
  if (encodings.size > 1 && train?.labels) {
    problems.push({
      file: train.labels,
      kind: 'mixed-encoding',
      message: `${train.labels}: holds labelTrainIds while other images of '${split}' have labelIds; both are read rightly`,
      fatal: false,
    });
  }
  if (report.sizes.length > 1) {
    problems.push({
      file: split,
      kind: 'mixed-sizes',
      message: `split '${split}' has images of ${report.sizes.length} sizes (${report.sizes
        .slice(0, 3)
        .map(({ size, images }) => `${images} of ${size}`)
        .join(', ')}); train with a crop or resize size`,
      fatal: false,
    });
  }
}

function summarise(dataset: Dataset, split: string, facts: SampleFacts[], labelled: number): SplitReport {
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
    labelled,
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

/** ENet's class weights 1 / ln(c + p) with p the class's share of the pixels; c = 1.02 bounds them by 50.5. */
export function enetWeights(pixels: readonly number[], c = 1.02): number[] {
  const all = pixels.reduce((a, b) => a + b, 0);
  return pixels.map((count) => 1 / Math.log(c + (all > 0 ? count / all : 0)));
}

/** median(f) / f with f = pixels of the class / pixels of the images that contain it; 0 for absent classes. */
export function medianWeights(pixels: readonly number[], pixelsOfImages: readonly number[]): number[] {
  const f = pixels.map((count, i) => (pixelsOfImages[i] > 0 ? count / pixelsOfImages[i] : 0));
  const present = f.filter((value) => value > 0).sort((a, b) => a - b);
  if (present.length === 0) return f.map(() => 0);
  const half = present.length >> 1;
  const median = present.length % 2 === 1 ? present[half] : (present[half - 1] + present[half]) / 2;
  return f.map((value) => (value > 0 ? median / value : 0));
}
