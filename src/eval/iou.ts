import type { ConfusionMatrix } from './confusion.js';
import type { Category, InstanceTotals } from './instances.js';

/** Scores in [0, 1]; `undefined` where a score does not exist (0 / 0). */
export interface Scores {
  /** Mean of the class IoUs that exist: classes absent from truth and prediction do not count. */
  readonly miou: number | undefined;
  /** Per class `tp / (tp + fp + fn)`; a class that is predicted but never true scores 0. */
  readonly classIou: readonly (number | undefined)[];
  /** Correct pixels of all labelled ones. */
  readonly pixelAccuracy: number | undefined;
  /** Per class `tp / (tp + fn)`. */
  readonly classAccuracy: readonly (number | undefined)[];
  /** Mean of the class accuracies that exist. */
  readonly meanAccuracy: number | undefined;
  /** IoU of groups of classes, where the data set defines them: confusions inside a group count as correct. */
  readonly categoryIou?: Readonly<Record<string, number | undefined>>;
  readonly meanCategoryIou?: number;
  /** Instance-weighted IoU, per class with instances; others are `undefined`. */
  readonly classIiou?: readonly (number | undefined)[];
  readonly meanIiou?: number;
  readonly categoryIiou?: Readonly<Record<string, number | undefined>>;
  readonly meanCategoryIiou?: number;
}

/**
 * Scores of a confusion matrix, by the definitions of the Cityscapes benchmark (Cordts et al. 2016, §4.1).
 * Pixels labelled 255 are in no score. With `instances` the iIoU scores are added: true positives and false
 * negatives weighted by the class's average instance size over the pixel's instance size, false positives not.
 */
export function scoresOf(
  confusion: ConfusionMatrix,
  options: { categories?: readonly Category[]; instances?: InstanceTotals } = {},
): Scores {
  const { classes } = confusion;
  const all = [...Array(classes).keys()];
  const classIou = all.map((c) => groupIou(confusion, [c]));
  const classAccuracy = all.map((c) => ratio(confusion.at(c, c), labelled(confusion, [c])));
  const { categories, instances } = options;
  return {
    miou: meanOfPresent(classIou),
    classIou,
    pixelAccuracy: ratio(
      all.reduce((sum, c) => sum + confusion.at(c, c), 0),
      confusion.total,
    ),
    classAccuracy,
    meanAccuracy: meanOfPresent(classAccuracy),
    ...(categories ? categoryScores(confusion, categories) : {}),
    ...(instances ? instanceScores(confusion, categories ?? [], instances) : {}),
  };
}

function categoryScores(confusion: ConfusionMatrix, categories: readonly Category[]) {
  const scores = categories.map(({ classes }) => groupIou(confusion, classes));
  return {
    categoryIou: Object.fromEntries(categories.map(({ name }, i) => [name, scores[i]])),
    meanCategoryIou: meanOfPresent(scores),
  };
}

function instanceScores(confusion: ConfusionMatrix, categories: readonly Category[], totals: InstanceTotals) {
  const weighted = (tp: number, fn: number, group: readonly number[]) =>
    ratio(tp, tp + fn + falsePositives(confusion, group));
  const classIiou = Array.from({ length: confusion.classes }, (_, c) => {
    const entry = totals.classes.get(c);
    return entry && weighted(entry.tp, entry.fn, [c]);
  });
  const groups = categories.filter(({ name }) => totals.categories.has(name));
  const categoryIiou = groups.map(({ name, classes }) => {
    const { tp, fn } = totals.categories.get(name)!;
    return weighted(tp, fn, classes);
  });
  return {
    classIiou,
    meanIiou: meanOfPresent(classIiou),
    categoryIiou: Object.fromEntries(groups.map(({ name }, i) => [name, categoryIiou[i]])),
    meanCategoryIiou: meanOfPresent(categoryIiou),
  };
}

/** Pixels of classes `rows` predicted as classes `columns`. */
function block(confusion: ConfusionMatrix, rows: readonly number[], columns: readonly number[]): number {
  let sum = 0;
  for (const row of rows) for (const column of columns) sum += confusion.at(row, column);
  return sum;
}

/** Pixels of classes `rows`, whatever they were predicted as. */
const labelled = (confusion: ConfusionMatrix, rows: readonly number[]): number =>
  rows.reduce((sum, row) => sum + confusion.missed[row], 0) +
  block(confusion, rows, [...Array(confusion.classes).keys()]);

/** Labelled pixels of other classes that were predicted as one of the group. */
function falsePositives(confusion: ConfusionMatrix, group: readonly number[]): number {
  const others = [...Array(confusion.classes).keys()].filter((c) => !group.includes(c));
  return block(confusion, others, group);
}

function groupIou(confusion: ConfusionMatrix, group: readonly number[]): number | undefined {
  const tp = block(confusion, group, group);
  return ratio(tp, labelled(confusion, group) + falsePositives(confusion, group));
}

const ratio = (part: number, whole: number): number | undefined => (whole === 0 ? undefined : part / whole);

/** Mean of the scores that exist; `undefined` where none does. */
export function meanOfPresent(scores: readonly (number | undefined)[]): number | undefined {
  const present = scores.filter((score) => score !== undefined);
  return present.length === 0 ? undefined : present.reduce((sum, score) => sum + score, 0) / present.length;
}
