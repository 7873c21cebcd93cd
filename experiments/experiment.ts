import { z } from 'zod';
import { UserError } from '../src/errors.js';
import { parseTrainConfig, type TrainConfig } from '../src/train/config.js';

/** Options of `vnet train` but for those that the harness decides; checked recipe by recipe. */
const options = z
  .record(z.string(), z.unknown())
  .refine((given) => !['data', 'out', 'resume', 'holdOut', 'seed', 'epochs'].some((name) => name in given), {
    message: 'data, out, resume, holdOut, seed and epochs are the experiment’s to choose',
  });

const experimentSchema = z.strictObject({
  /** Where the group that is left out stands in the names, as for `vnet study drives`. */
  group: z.string(),
  /** Only these groups are left out, in this order; default all. */
  only: z.array(z.string()).min(1).optional(),
  /** Every training is done with each; scores are means over them. */
  seeds: z.array(z.int().min(0)).min(1).default([1]),
  /** Options that all recipes share. */
  base: options.default({}),
  /** Recipes as what they change of the base, in order of expected value. */
  recipes: z.record(z.string(), options),
  /**
   * Successive halving (Jamieson and Talwalkar 2016): all recipes train for the epochs of the first rung; the `keep`
   * best (a number, or a share below 1) go on to the next. Each training starts anew, as the schedule of the learning
   * rate depends on its length.
   */
  rungs: z.array(z.strictObject({ epochs: z.int().min(1), keep: z.number().positive().default(1) })).min(1),
});

/** Recipes that are compared by what they reach on groups of images that they have not seen. */
export type Experiment = z.infer<typeof experimentSchema>;

/**
 * Reads the text of a file of experiments.
 * @throws UserError naming the file and the option.
 */
export function parseExperiment(text: string, file: string): Experiment {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file}: is not valid JSON (${(error as Error).message})`, 2);
  }
  const parsed = experimentSchema.safeParse(json);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new UserError(`${file}: "${path.join('.')}": ${message.split('\n')[0]}`, 2);
  }
  const names = Object.keys(parsed.data.recipes);
  if (names.length === 0) throw new UserError(`${file}: "recipes": expected at least one`, 2);
  for (const name of names) {
    if (!/^[\w.+-]+$/.test(name)) {
      throw new UserError(`${file}: recipe '${name}': names are made of letters, digits and . + - _`, 2);
    }
    parseTrainConfig({ data: '.', out: '.', ...configOf(parsed.data, name) }, `${file}: recipe ${name}`);
  }
  return parsed.data;
}

/** The options of one recipe: its own over the base's; random changes of samples one by one. */
export function configOf(
  { base, recipes }: Pick<Experiment, 'base' | 'recipes'>,
  name: string,
): Partial<TrainConfig> {
  const own = recipes[name];
  const augment = { ...(base.augment as object), ...(own.augment as object) };
  return { ...base, ...own, ...(Object.keys(augment).length > 0 ? { augment } : {}) };
}

/** One training to be done. */
export interface Run {
  recipe: string;
  rung: number;
  epochs: number;
  group: string;
  seed: number;
}

/** What a training reached: mIoU in [0, 1] on what it has not seen, and how long it took. */
export interface Outcome {
  miou: number | null;
  seconds: number;
}

/** A recipe at one rung, over all groups and seeds. */
export interface Row {
  recipe: string;
  epochs: number;
  /** Means over the seeds, in the order of the groups; null where it is not done. */
  groups: (number | null)[];
  /** Null until all groups are done. */
  mean: number | null;
  worst: number | null;
  seconds: number;
}

/**
 * The trainings of a rung, and the recipes that take part: all in the first, the best by the mean over groups of the rung before in
 * others. Undefined where the rung before is not finished.
 * @param outcome of a training that is done.
 */
export function runsOf(
  experiment: Experiment,
  groups: readonly string[],
  rung: number,
  outcome: (run: Run) => Outcome | undefined,
): Run[] | undefined {
  const recipes = recipesAt(experiment, groups, rung, outcome);
  const { epochs } = experiment.rungs[rung];
  return recipes?.flatMap((recipe) =>
    experiment.seeds.flatMap((seed) => groups.map((group) => ({ recipe, rung, epochs, group, seed }))),
  );
}

function recipesAt(
  experiment: Experiment,
  groups: readonly string[],
  rung: number,
  outcome: (run: Run) => Outcome | undefined,
): string[] | undefined {
  if (rung === 0) return Object.keys(experiment.recipes);
  const before = recipesAt(experiment, groups, rung - 1, outcome);
  if (!before) return undefined;
  const rows = before.map((recipe) => rowOf(experiment, groups, rung - 1, recipe, outcome));
  if (rows.some(({ mean }) => mean === null)) return undefined;
  const { keep } = experiment.rungs[rung - 1];
  const count = keep < 1 ? Math.ceil(keep * rows.length) : Math.floor(keep);
  return rows
    .sort((a, b) => b.mean! - a.mean!)
    .slice(0, count)
    .map(({ recipe }) => recipe);
}

/** The results of one recipe at one rung, as far as they are there. */
export function rowOf(
  experiment: Experiment,
  groups: readonly string[],
  rung: number,
  recipe: string,
  outcome: (run: Run) => Outcome | undefined,
): Row {
  const { epochs } = experiment.rungs[rung];
  let seconds = 0;
  const scores = groups.map((group) => {
    const found = experiment.seeds.map((seed) => outcome({ recipe, rung, epochs, group, seed }));
    for (const one of found) seconds += one?.seconds ?? 0;
    if (found.some((one) => one === undefined || one.miou === null)) return null;
    return found.reduce((sum, one) => sum + one!.miou!, 0) / found.length;
  });
  const known = scores.filter((score) => score !== null);
  const whole = known.length === groups.length;
  const mean = whole ? known.reduce((a, b) => a + b, 0) / known.length : null;
  return { recipe, epochs, groups: scores, mean, worst: whole ? Math.min(...known) : null, seconds };
}
