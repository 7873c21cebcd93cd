import * as v from 'valibot';
import { UserError } from '../errors.js';
import type { Dataset, Sample } from './dataset.js';

const pattern = v.pipe(v.string(), v.check(isRegExp, 'expected a regular expression'));

/**
 * Which images are held out of training and validated on. All images of the training and the validation split are told
 * apart by it, whatever split they were in.
 */
export const holdOutSchema = v.union([
  /** Those whose names match a regular expression. */
  pattern,
  /** Those of one group: the first capture of `group` in the name, or its whole match, is `is`. */
  v.strictObject({ group: pattern, is: v.string() }),
  /** One of `folds` equal stretches of the sorted names: neighbours are often frames of one film. */
  v.pipe(
    v.strictObject({
      folds: v.pipe(v.number(), v.safeInteger(), v.minValue(2)),
      fold: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    }),
    v.check(({ folds, fold }) => fold < folds, 'expected a fold below the number of folds'),
  ),
]);

/** See {@link holdOutSchema}. */
export type HoldOut = v.InferOutput<typeof holdOutSchema>;

/** Splits of a data set as training uses them. */
export interface Splits {
  train: string;
  val: string;
}

/**
 * A view of a data set whose validation split is what is held out of training, and whose training split is all the rest.
 * @throws UserError where nothing is held out or nothing is left to train on.
 */
export function withHeldOut(dataset: Dataset, splits: Splits, holdOut: HoldOut): Dataset {
  const all = samplesOf(dataset, splits);
  const held = heldOf(all, holdOut);
  const train = all.filter((sample) => !held.has(sample));
  const val = all.filter((sample) => held.has(sample));
  if (train.length === 0 || val.length === 0) {
    throw new UserError(
      `${dataset.root}: ${describe(holdOut)} holds out ${val.length} of ${all.length} images` +
        ` (the first is named ${all[0].id}); hold out some and leave some to train on`,
      2,
    );
  }
  return {
    name: dataset.name,
    root: dataset.root,
    classes: dataset.classes,
    splits: [splits.train, splits.val],
    samples(split) {
      if (split === splits.val) return val;
      if (split === splits.train) return train;
      throw new UserError(`${dataset.root}: has no split '${split}' while images are held out`);
    },
    labelsOf: (split) => dataset.labelsOf(dataset.splits.includes(split) ? split : splits.train),
    // An image without labels is refused when it is read.
    hasLabels: async () => true,
  };
}

/** Every group of a data set or every fold, by name. */
export interface Part {
  name: string;
  holdOut: HoldOut;
  images: number;
}

/**
 * The parts that a data set falls into, each to be held out once: by a group in the names (a drive, a city, a patient),
 * or as `folds` stretches.
 * @throws UserError where a name has no group, or there are fewer than two.
 */
export function partsOf(dataset: Dataset, splits: Splits, by: { group: string } | { folds: number }): Part[] {
  const all = samplesOf(dataset, splits);
  if ('folds' in by) {
    if (by.folds > all.length) {
      throw new UserError(`${dataset.root}: has ${all.length} images, too few for ${by.folds} folds`, 2);
    }
    return Array.from({ length: by.folds }, (_, fold) => {
      const holdOut = { folds: by.folds, fold };
      return { name: `fold-${fold + 1}`, holdOut, images: heldOf(all, holdOut).size };
    });
  }
  const counts = new Map<string, number>();
  for (const { id } of all) {
    const name = groupOf(id, new RegExp(by.group));
    if (name === undefined) {
      throw new UserError(
        `${dataset.root}: the group /${by.group}/ is not in the name ${id}; give an expression that finds one in every name`,
        2,
      );
    }
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size < 2) {
    throw new UserError(
      `${dataset.root}: the group /${by.group}/ is ${[...counts.keys()].join()} for all images; at least two groups are needed`,
      2,
    );
  }
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, images]) => ({ name, images, holdOut: { group: by.group, is: name } }));
}

/** All labelled images that may be trained on, sorted by name. */
function samplesOf(dataset: Dataset, { train, val }: Splits): Sample[] {
  const names = [...new Set([train, ...(dataset.splits.includes(val) ? [val] : [])])];
  return names
    .flatMap((name) => dataset.samples(name))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function heldOf(all: readonly Sample[], holdOut: HoldOut): Set<Sample> {
  if (typeof holdOut === 'string') {
    const expression = new RegExp(holdOut);
    return new Set(all.filter(({ id }) => expression.test(id)));
  }
  if ('group' in holdOut) {
    const expression = new RegExp(holdOut.group);
    return new Set(all.filter(({ id }) => groupOf(id, expression) === holdOut.is));
  }
  const [from, to] = [holdOut.fold, holdOut.fold + 1].map((n) =>
    Math.round((n * all.length) / holdOut.folds),
  );
  return new Set(all.slice(from, to));
}

function groupOf(id: string, expression: RegExp): string | undefined {
  const match = expression.exec(id);
  return match ? (match[1] ?? match[0]) : undefined;
}

function describe(holdOut: HoldOut): string {
  if (typeof holdOut === 'string') return `/${holdOut}/`;
  if ('group' in holdOut) return `the group ${holdOut.is} of /${holdOut.group}/`;
  return `fold ${holdOut.fold + 1} of ${holdOut.folds}`;
}

function isRegExp(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
