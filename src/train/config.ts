import { z } from 'zod';
import { trainingPrecisions } from '../compile.js';
import { augmentationSchema } from '../data/augment/augmentation.js';
import { holdOutSchema } from '../data/holdOut.js';
import { UserError } from '../errors.js';
import { optimizerNamed, optimizerNames } from '../optimizers/index.js';

const side = z.int().min(32);
const sides = z.tuple([side, side]);
const amount = z.number().min(0).max(1);
const positive = z.int().min(1);
const folder = z.string().min(1, 'expected the path of a folder');

/**
 * What determines the weights of a run: with the same images, two runs of the same recipe on the same backend give
 * the same weights, bit for bit. Defaults are the paper's.
 */
const recipeShape = {
  /** The network, without the number of classes, which the data set gives. */
  network: z
    .strictObject({ name: z.string(), config: z.record(z.string(), z.unknown()).default({}) })
    .default({ name: 'vnet', config: {} }),
  epochs: positive.default(300),
  /** Images a batch. */
  batch: positive.default(4),
  /** Batches an optimiser step; batch normalisation sees each batch alone. */
  accumulate: positive.default(1),
  /** `full`: images as they are (all alike); or a random crop, or resized, as height and width. */
  size: z
    .union([z.literal('full'), z.strictObject({ crop: sides }), z.strictObject({ resize: sides })])
    .default('full'),
  /** Random changes of training images, see `Augmentation`; all of a name at once, with changes of one's own, on the command line. */
  augment: augmentationSchema.default({}).transform((augment) => ({ flip: true, ...augment })),
  optimizer: z.enum(optimizerNames).default('adam'),
  /** The highest learning rate of the schedule. */
  learningRate: z.number().positive().default(5e-4),
  /** Of sgd; default 0.9. */
  momentum: z.number().min(0).lt(1).optional(),
  /** Default 1e-4, for adamw 1e-2. */
  weightDecay: z.number().min(0).optional(),
  schedule: z.enum(['poly', 'cosine', 'constant']).default('poly'),
  /** Optimiser steps of linear warm-up. */
  warmup: z.int().min(0).default(0),
  /** `enet`: 1/ln(1.02 + share of pixels), or with another constant; `median`: median frequency; or one number a class. */
  classWeights: z
    .union([
      z.enum(['none', 'enet', 'median']),
      z.strictObject({ enet: z.number().gt(1) }),
      z
        .array(z.number().min(0))
        .min(2)
        .refine((weights) => weights.some((weight) => weight > 0), 'all are 0: nothing would be learnt'),
    ])
    .default('none'),
  /**
   * Online hard example mining: the loss of pixels whose own class has at most the probability `threshold`, and at
   * least of the share `least` of labelled pixels, the hardest.
   */
  ohem: z.strictObject({ threshold: amount, least: amount.default(1 / 16) }).optional(),
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** Decay of an exponential moving average of the weights, which is then what is validated and shipped. */
  average: z.number().min(0).lt(1).optional(),
  seed: z.int().min(0).default(1),
  /** What the backward pass recomputes instead of keeping. */
  policy: z.enum(['reversible', 'checkpoint', 'save']).default('reversible'),
  /** Storage of feature maps; default `f32`. `f16` takes half the memory, on GPUs that have it. */
  precision: z.enum(trainingPrecisions).optional(),
  trainSplit: z.string().default('train'),
  /** Images of both splits that are held out of training and validated on, instead of the validation split. */
  holdOut: holdOutSchema.optional(),
  /** Cityscapes: train on the coarse set too. */
  extra: z.boolean().default(false),
  /** A model to start from; tensors of other shapes (the head, for other classes) start fresh. */
  init: z.string().optional(),
};

/** How a run is carried out; may change between a stop and resuming. */
const settingsShape = {
  /** The data set's folder. */
  data: folder,
  /** The run's folder, made if absent. */
  out: folder,
  /** Go on from the last checkpoint in `out`. */
  resume: z.boolean().default(false),
  valSplit: z.string().default('val'),
  /** Size that validation images are resized to, as height and width; default: as for training where that resizes, else their own. */
  valResize: sides.optional(),
  /** Epochs between validations (0: never); the last epoch has one too. */
  validateEvery: z.int().min(0).default(1),
  /** Overlays of validation images written at each validation. */
  samples: z.int().min(0).default(2),
  /** Save within epochs too, when this many minutes have passed. */
  saveEveryMinutes: z.number().positive().default(10),
  /** Optimiser steps a line of metrics. */
  logEvery: positive.default(10),
  /** Threads of the CPU backend; default: the machine's cores. */
  threads: positive.optional(),
  /** Threads that decode images; default: half the cores, at most 4. */
  workers: z.int().min(0).optional(),
  /**
   * MiB of decoded images kept in memory; default: an eighth of what the plan leaves, at most 1024, and 0 for images
   * of more than a megapixel.
   */
  cacheMiB: z.number().min(0).optional(),
};

const recipeSchema = z.strictObject(recipeShape);

/** All options of a training run that can be written as JSON; `parse` checks and fills in defaults. */
export const trainConfig = z.strictObject({ ...recipeShape, ...settingsShape });

/** Training options as a caller gives them. */
export type TrainConfig = z.input<typeof trainConfig>;
/** Training options with all defaults filled in. */
export type ResolvedTrainConfig = z.output<typeof trainConfig>;
/** The options that determine the weights. */
export type Recipe = z.output<typeof recipeSchema>;

/**
 * Checks options and fills in defaults.
 * @param source what messages name: a config file, or `options`.
 * @throws UserError naming the option, what it is and what was expected.
 */
export function parseTrainConfig(config: unknown, source = 'options'): ResolvedTrainConfig {
  const parsed = trainConfig.safeParse(config);
  if (parsed.success) {
    checkOptimizer(parsed.data, source);
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  const where = issue.path.join('.');
  throw new UserError(`${source}: ${where ? `"${where}": ` : ''}${issue.message.split('\n')[0]}`, 2);
}

/** The size that images are resized to for validation; undefined: their own. */
export function validationResize({ size, valResize }: Pick<ResolvedTrainConfig, 'size' | 'valResize'>) {
  return valResize ?? (size !== 'full' && 'resize' in size ? size.resize : undefined);
}

/** A number that the optimiser does not have would have no effect. */
function checkOptimizer(config: ResolvedTrainConfig, source: string): void {
  const { defaults } = optimizerNamed(config.optimizer);
  for (const name of ['momentum', 'weightDecay'] as const) {
    if (config[name] === undefined || name in defaults) continue;
    const known = Object.keys(defaults).join(', ');
    throw new UserError(`${source}: "${name}": ${config.optimizer} has none; it has ${known}`, 2);
  }
}

/** The part of the options that determines the weights. */
export function recipeOf(config: ResolvedTrainConfig): Recipe {
  const names = Object.keys(recipeShape);
  return recipeSchema.parse(
    Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name))),
  );
}
