import { z } from 'zod';
import { sceneLights } from '../src/data/scene/weather.js';
import { UserError } from '../src/errors.js';
import { parseTrainConfig, type TrainConfig } from '../src/train/config.js';

const taken = ['data', 'out', 'resume', 'init'];

const stageSchema = z
  .strictObject({
    /** Synthetic scenes that this stage trains on, in place of the data or beside it, see `vnet synth`. */
    scenes: z
      .strictObject({
        count: z.int().min(2),
        size: z.tuple([z.int().min(32), z.int().min(32)]),
        seed: z.int().min(0),
        /** Share that goes to validation. */
        val: z.number().min(0).max(0.9),
        /** The `classes.json` of the scenes, beside the recipe: which of the data's classes each of theirs is. */
        classes: z.string(),
        light: z.enum(sceneLights).default('day'),
        /** Train on the data too, and validate on it alone; then no scene goes to validation. */
        beside: z.boolean().default(false),
      })
      .refine(({ val, beside }) => !beside || val === 0, {
        path: ['val'],
        message: 'scenes beside the data are for training; expected 0',
      })
      .optional(),
    /** Options of `vnet train`. */
    train: z.record(z.string(), z.unknown()).refine((given) => !taken.some((name) => name in given), {
      message: 'data, out, resume and init are the recipe’s to choose',
    }),
    /** Stop after this many of the epochs, which the schedule of the learning rate reckons with. Default: after all. */
    until: z.int().min(1).optional(),
    /** Which weights go on: those of the end, or of the highest validation mIoU. */
    take: z.enum(['last', 'best']).default('last'),
    /** Round them to float16, as `vnet export --f16`. */
    half: z.boolean().default(false),
  })
  .refine(({ train, until = 1 }) => typeof train.epochs !== 'number' || until <= train.epochs, {
    path: ['until'],
    message: 'more epochs than the stage has',
  });

/** Trainings in a row, each starting from the weights of the one before. */
export type Stages = z.infer<typeof recipeSchema>['stages'];
export type Stage = z.infer<typeof stageSchema>;

const recipeSchema = z.strictObject({
  /** What the recipe makes, for people. */
  about: z.string().optional(),
  stages: z
    .record(z.string().regex(/^[\w.+-]+$/, 'names of stages are letters, digits and . + - _'), stageSchema)
    .refine((stages) => Object.keys(stages).length > 0, { message: 'expected at least one' }),
});

/**
 * Reads the text of a recipe.
 * @throws UserError naming the file and the option.
 */
export function parseStages(text: string, file: string): Stages {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file}: is not valid JSON (${(error as Error).message})`, 2);
  }
  const parsed = recipeSchema.safeParse(json);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new UserError(`${file}: "${path.join('.')}": ${message.split('\n')[0]}`, 2);
  }
  const { stages } = parsed.data;
  for (const [name, { train }] of Object.entries(stages)) {
    parseTrainConfig({ data: '.', out: '.', ...train }, `${file}: stage ${name}`);
  }
  return stages;
}

/**
 * The training options of a stage and after which epoch it stops, with at most `most` epochs of it, for a try.
 * @param init the model of the stage before.
 */
export function trainingOf(
  { train, until }: Stage,
  init: string | undefined,
  most = Number.POSITIVE_INFINITY,
): { config: Partial<TrainConfig>; until: number } {
  const { epochs } = parseTrainConfig({ data: '.', out: '.', ...train });
  const all = Math.min(epochs, most);
  return { config: { ...train, epochs: all, ...(init ? { init } : {}) }, until: Math.min(until ?? all, all) };
}
