import { availableParallelism } from 'node:os';
import path from 'node:path';
import { UserError } from '../errors.js';
import type { SizePolicy } from './augment/augmentation.js';
import { preparedSize } from './augment/prepare.js';
import type { SampleFacts } from './check-sample.js';
import { type Dataset, isImageName, type Sample } from './dataset.js';
import { walkFiles } from './files.js';
import { Pool } from './pool.js';
import { holdsTrainIds, type Problem } from './read-sample.js';

/** What a data set is to be used for. */
export interface Use {
  /** The split to train on. */
  readonly train?: string;
  /** The split to score on. */
  readonly val?: string;
  /** Images a batch; default 1. */
  readonly batch?: number;
  /** Batches an optimiser step; default 1. */
  readonly accumulate?: number;
  /** Default `full`: images as they are. */
  readonly size?: SizePolicy;
}

/** How {@link inspect} looks. */
export interface InspectOptions {
  /** Look into so many samples of a split, spread over it; default all. */
  readonly few?: number;
  /** Other splits to look into besides those of the use. */
  readonly others?: readonly string[];
  /** Threads; default one a core, at most 8. */
  readonly workers?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A split and what was found in its samples. */
export interface Inspected {
  readonly split: string;
  readonly samples: readonly Sample[];
  readonly facts: readonly SampleFacts[];
}

/** Smallest side that the networks take. */
const leastSide = 32;
/** Validation images below which a score is mostly chance. */
const fewImages = 10;
/** Samples that a training looks into before it starts. */
const looked = 12;

/**
 * Whether a data set can be used so: the one answer that the check, training, evaluation and studies give. Looks at
 * names first, then into files, then at what the files say together.
 */
export async function inspect(
  dataset: Dataset,
  use: Use,
  options: InspectOptions = {},
): Promise<{ splits: Inspected[]; problems: Problem[] }> {
  const problems: Problem[] = [...classProblems(dataset)];
  const names = [...new Set([use.train, use.val, ...(options.others ?? [])])].filter(
    (name) => name !== undefined,
  );
  const lists = names.flatMap((split) => {
    const samples = listed(dataset, split, use, problems);
    return samples.length > 0 ? [{ split, samples }] : [];
  });
  for (const { split, samples } of lists) problems.push(...listProblems(dataset, split, samples, use));
  const total = lists.reduce(
    (sum, { samples }) => sum + Math.min(samples.length, options.few ?? samples.length),
    0,
  );
  const pool = new Pool(options.workers ?? Math.min(8, availableParallelism()));
  const splits: Inspected[] = [];
  let done = 0;
  try {
    for (const { split, samples } of lists) {
      const look = async (chosen: readonly Sample[]) =>
        Promise.all(
          chosen.map(async (sample) => {
            const found = await pool.run({ kind: 'check', sample, classes: dataset.classes });
            options.onProgress?.(++done, total);
            return found;
          }),
        );
      let facts = await look(spread(samples, options.few));
      // A few without a single label are a reason to look at all, not to refuse.
      if (split === use.train && facts.length < samples.length && labelledPixels(facts) === 0) {
        facts = await look(samples);
      }
      splits.push({ split, samples, facts });
    }
  } finally {
    await pool.close();
  }
  for (const inspected of splits) problems.push(...factProblems(dataset, inspected, use, options.few));
  return { splits, problems };
}

/**
 * Looks at names and into a few files of a data set before work is spent on it.
 * @param tell gets every warning.
 * @throws UserError, the first thing that makes it unusable.
 */
export async function checkUsable(
  dataset: Dataset,
  use: Use,
  tell: (warning: string) => void,
  workers?: number,
): Promise<void> {
  const { problems } = await inspect(dataset, use, { few: looked, workers });
  const wrong = problems.find(({ fatal }) => fatal);
  if (wrong) throw new UserError(wrong.message);
  for (const { message } of problems) tell(message);
}

function* classProblems({ root, classes }: Dataset): Generator<Problem> {
  if (classes.names.length > 1) return;
  yield {
    file: root,
    kind: 'few-classes',
    message: `${root}: has a single class, "${classes.names[0]}", which leaves nothing to tell apart; name the background as a class of its own`,
    fatal: true,
  };
}

/** The samples of a split, or none and why. */
function listed(dataset: Dataset, split: string, use: Use, problems: Problem[]): Sample[] {
  // A training without validation images has no validation, and says so.
  if (!dataset.splits.includes(split)) {
    const has = dataset.splits.join(', ') || 'no splits at all';
    const lost = split === use.train || !use.train ? '' : ', so there is no validation and no best model';
    problems.push({
      file: dataset.root,
      kind: 'split',
      message: `${dataset.root}: has no split '${split}'; it has ${has}${lost}`,
      fatal: split === use.train || !use.train,
    });
    return [];
  }
  try {
    return dataset.samples(split, { lenient: true });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push({
      file: dataset.root,
      kind: 'split',
      message: error.message,
      fatal: split === use.train || split === use.val,
    });
    return [];
  }
}

/** What the list of a split's files shows. */
function* listProblems(
  dataset: Dataset,
  split: string,
  samples: readonly Sample[],
  { train, val, batch = 1, accumulate = 1 }: Use,
): Generator<Problem> {
  const used = split === train || split === val;
  const without = samples.filter(({ labels }) => !labels);
  if (without.length === samples.length) {
    if (used)
      yield {
        file: dataset.root,
        kind: 'no-labels',
        message: noLabels(dataset, split, samples),
        fatal: true,
      };
    return;
  }
  for (const { image, expectedLabels } of without) {
    const message = `${image}: has no labels, expected ${expectedLabels} (${without.length} of ${samples.length} images of split '${split}' lack labels)`;
    yield { file: image, kind: 'missing-label', message, fatal: used };
  }
  const encoded = samples.find(({ labels, encoding }) => labels && encoding === 'train');
  if (encoded && samples.some(({ labels, encoding }) => labels && encoding === 'raw')) {
    yield {
      file: encoded.labels!,
      kind: 'mixed-encoding',
      message: `${encoded.labels}: holds labelTrainIds while other images of '${split}' have labelIds; both are read rightly`,
      fatal: false,
    };
  }
  if (split === train && samples.length < batch * accumulate) {
    const needed = accumulate > 1 ? `${accumulate} batches of ${batch}` : `a batch of ${batch}`;
    yield {
      file: dataset.root,
      kind: 'few-images',
      message: `${dataset.root}: split '${split}' has ${samples.length} images, fewer than ${needed}; use a smaller batch`,
      fatal: true,
    };
  }
  if (split === val && samples.length < fewImages) {
    yield {
      file: dataset.root,
      kind: 'few-images',
      message: `${dataset.root}: split '${split}' has only ${samples.length} images; a score on so few is mostly chance`,
      fatal: false,
    };
  }
}

/** What was looked for, and what there is instead. */
function noLabels(dataset: Dataset, split: string, samples: readonly Sample[]): string {
  const folder = dataset.labelsOf(split);
  const found: string[] = [];
  for (const file of walkFiles(folder)) {
    if (isImageName(file) || file.endsWith('.json')) found.push(file);
    if (found.length === 3) break;
  }
  const advice = found[0]?.endsWith('.json')
    ? 'convert them to label images first'
    : 'name each like its image';
  const instead = found.length > 0 ? `, which has ${found.join(', ')}; ${advice}` : ', which has no pictures';
  return (
    `${dataset.root}: no label file was found for any of the ${samples.length} images of split '${split}'; ` +
    `looked for ${path.basename(samples[0].expectedLabels ?? 'labels')} in ${folder}${instead}`
  );
}

/** Every file, or `count` spread evenly from the first to the last. */
function spread(samples: readonly Sample[], count = samples.length): Sample[] {
  if (samples.length <= count) return [...samples];
  return Array.from(
    { length: count },
    (_, i) => samples[Math.floor((i * (samples.length - 1)) / (count - 1))],
  );
}

const labelledPixels = (facts: readonly SampleFacts[]): number =>
  facts.reduce((sum, { pixels }) => sum + pixels.slice(0, -1).reduce((a, b) => a + b, 0), 0);

/** What a split's files show, each alone and all together. */
function* factProblems(dataset: Dataset, inspected: Inspected, use: Use, few?: number): Generator<Problem> {
  const { split, samples, facts } = inspected;
  const used = split === use.train || split === use.val;
  for (const { problems } of facts)
    for (const problem of problems) yield used ? problem : { ...problem, fatal: false };
  yield* sizeProblems(inspected, use);
  const readable = facts.filter(({ values, reading }) => values ?? reading);
  if (readable.length === 0) return;
  yield* contradictions(dataset, inspected, used);
  if (split !== use.train) return;
  const { names } = dataset.classes;
  const pixels = names.map((_, c) => facts.reduce((sum, fact) => sum + fact.pixels[c], 0));
  const absent = names.filter((_, c) => pixels[c] === 0);
  if (absent.length === names.length) {
    yield {
      file: dataset.root,
      kind: 'all-ignored',
      message: `${dataset.root}: every pixel of split '${split}' is ignored, so there is nothing to learn; do its label files hold other values than the class table says?`,
      fatal: true,
    };
  } else if (few === undefined && absent.length > 0) {
    const only =
      absent.length === names.length - 1 ? `only "${names[pixels.findIndex((n) => n > 0)]}" has; ` : '';
    yield {
      file: dataset.root,
      kind: 'absent-class',
      message: `${dataset.root}: no pixel of split '${split}' is ${absent.map((name) => `"${name}"`).join(', ')} (${only}${samples.length} images); such classes are never learnt`,
      fatal: false,
    };
  }
}

function* sizeProblems(
  { split, samples, facts }: Inspected,
  { train, val, size = 'full' }: Use,
): Generator<Problem> {
  const sizes = new Map<string, { height: number; width: number; images: number; sample: number }>();
  for (const [i, { height, width }] of facts.entries()) {
    if (height === undefined || width === undefined) continue;
    const key = `${height}×${width}`;
    const entry = sizes.get(key) ?? { height, width, images: 0, sample: i };
    entry.images++;
    sizes.set(key, entry);
  }
  const list = [...sizes].sort(([, a], [, b]) => b.images - a.images);
  if (split === train && size === 'full' && list.length > 1) {
    const shown = list.slice(0, 3).map(([key, { images }]) => `${images} of ${key}`);
    const [[usual, { sample }], [other, { sample: odd }]] = list;
    yield {
      file: samples[odd].image,
      kind: 'mixed-sizes',
      message: `${samples[odd].image}: is ${other}, but ${samples[sample].image} is ${usual}; training needs one size, choose a crop or resize size (${list.length} sizes: ${shown.join(', ')})`,
      fatal: true,
    };
  }
  const resized = size !== 'full' && 'resize' in size;
  for (const [key, found] of list) {
    const { image } = samples[found.sample];
    const prepared = preparedSize(found, split === train || resized ? size : 'full');
    if ((split === train || split === val) && Math.min(prepared.height, prepared.width) < leastSide) {
      const message = `${image}: is ${key}, but the network needs at least ${leastSide}×${leastSide} pixels; remove it, or train with a resize size`;
      yield { file: image, kind: 'small-image', message, fatal: true };
    } else if (
      size !== 'full' &&
      'crop' in size &&
      (found.height < size.crop[0] || found.width < size.crop[1])
    ) {
      const message = `${image}: is ${key}, smaller than the crop of ${size.crop.join('×')}; its border is filled with ignored pixels`;
      if (split === train) yield { file: image, kind: 'small-image', message, fatal: false };
      else if (split === val) {
        yield {
          file: image,
          kind: 'small-image',
          message: `${image}: is ${key}, smaller than the crop of ${size.crop.join('×')} that is trained on`,
          fatal: false,
        };
      }
    }
  }
}

/** Where files and class table say different things. */
function* contradictions(
  dataset: Dataset,
  { split, samples, facts }: Inspected,
  used: boolean,
): Generator<Problem> {
  const { classes, root } = dataset;
  const values = new Float64Array(256);
  for (const fact of facts)
    fact.values?.forEach((count, value) => {
      values[value] += count;
    });
  const present = [...values.keys()].filter((value) => values[value] > 0);
  if (present.join() === '0,255' && classes.names.length === 2 && !classes.explicit) {
    const [first, second] = classes.names;
    yield {
      file: root,
      kind: 'contradiction',
      message:
        `${dataset.labelsOf(split)}: all labels are 0 or 255; write "mapping": {"0": 0, "255": 1} in classes.json if 255 is ` +
        `"${second}", or "ignore": 255 if it is no class (then every pixel is "${first}")`,
      fatal: used,
    };
  }
  const named = samples.some(({ named }) => named === 'labelIds');
  const alone = facts.some(({ problems }) => problems.some(({ kind }) => kind === 'contradiction'));
  if (named && !alone && holdsTrainIds(values, classes, false)) {
    yield {
      file: root,
      kind: 'contradiction',
      message: `${dataset.labelsOf(split)}: files named labelIds hold no value from 19 to 33 and mostly such as labelIds ignore, so they are train ids; name them ..._labelTrainIds.png`,
      fatal: used,
    };
  }
  const byColour = facts.filter(({ reading }) => reading === 'palette').length;
  if (byColour > 0 && !classes.palette) {
    yield {
      file: root,
      kind: 'reading',
      message: `${dataset.labelsOf(split)}: ${byColour} of ${facts.length} palette PNGs have the class colours in another order than the classes; read by their colours ("palette": "index" in classes.json reads them by index)`,
      fatal: false,
    };
  }
  const turned = facts.filter((fact) => fact.turned).length;
  if (turned > 0 && classes.orientation !== 'stored') {
    yield {
      file: root,
      kind: 'reading',
      message: `${dataset.labelsOf(split)}: ${turned} of ${facts.length} labels were drawn on the stored pixels of photos with an EXIF orientation; turned together with the photo`,
      fatal: false,
    };
  }
}
