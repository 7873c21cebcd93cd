import * as v from 'valibot';
import { lossKinds, trainingPrecisions } from '../compile.js';
import { augmentationSchema } from '../data/augment/augmentation.js';
import { holdOutSchema } from '../data/holdOut.js';
import { UserError } from '../errors.js';
import { optimizerNamed, optimizerNames } from '../optimizers/index.js';

const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
const side = whole(32);
const sides = v.strictTuple([side, side]);
const number = v.pipe(v.number(), v.finite());
const notNegative = v.pipe(number, v.minValue(0));
const aboveZero = v.pipe(number, v.gtValue(0));
const amount = v.pipe(number, v.minValue(0), v.maxValue(1));
/** A share that may not be the whole. */
const part = v.pipe(number, v.minValue(0), v.ltValue(1));
const folder = v.pipe(v.string(), v.minLength(1, 'expected the path of a folder'));

/**
 * What determines the weights of a run: with the same images, two runs of the same recipe on the same backend give
 * the same weights, bit for bit. Defaults are the paper's.
 */
const recipeShape = {
  /** The network, without the number of classes, which the data set gives. */
  network: v.optional(
    v.strictObject({ name: v.string(), config: v.optional(v.record(v.string(), v.unknown()), {}) }),
    { name: 'vnet', config: {} },
  ),
  epochs: v.optional(whole(1), 300),
  /** Images a batch. */
  batch: v.optional(whole(1), 4),
  /** Batches an optimiser step; batch normalisation sees each batch alone. */
  accumulate: v.optional(whole(1), 1),
  /** `full`: images as they are (all alike); or a random crop, or resized, as height and width. */
  size: v.optional(
    v.union([v.literal('full'), v.strictObject({ crop: sides }), v.strictObject({ resize: sides })]),
    'full',
  ),
  /** Random changes of training images, see `Augmentation`; all of a name at once, with changes of one's own, on the command line. */
  augment: v.pipe(
    v.optional(augmentationSchema, {}),
    v.transform((augment) => ({ flip: true, ...augment })),
  ),
  optimizer: v.optional(v.picklist(optimizerNames), 'adam'),
  /** The highest learning rate of the schedule. */
  learningRate: v.optional(aboveZero, 5e-4),
  /** Of sgd; default 0.9. */
  momentum: v.optional(part),
  /** Default 1e-4, for adamw 1e-2. */
  weightDecay: v.optional(notNegative),
  schedule: v.optional(v.picklist(['poly', 'cosine', 'constant']), 'poly'),
  /** Optimiser steps of linear warm-up. */
  warmup: v.optional(whole(0), 0),
  /** `enet`: 1/ln(1.02 + share of pixels), or with another constant; `median`: median frequency; or one number a class. */
  classWeights: v.optional(
    v.union([
      v.picklist(['none', 'enet', 'median']),
      v.strictObject({ enet: v.pipe(number, v.gtValue(1)) }),
      v.pipe(
        v.array(notNegative),
        v.minLength(2),
        v.check((weights) => weights.some((weight) => weight > 0), 'all are 0: nothing would be learnt'),
      ),
    ]),
    'none',
  ),
  /**
   * Online hard example mining: the loss of pixels whose own class has at most the probability `threshold`, and at
   * least of the share `least` of labelled pixels, the hardest.
   */
  ohem: v.optional(v.strictObject({ threshold: amount, least: v.optional(amount, 1 / 16) })),
  /** What is minimised, as a sum; default cross-entropy. The first is told as the loss. */
  loss: v.optional(
    v.pipe(
      v.array(
        v.strictObject({
          kind: v.picklist(lossKinds),
          weight: v.optional(aboveZero),
          gamma: v.optional(v.pipe(notNegative, v.maxValue(10))),
          radius: v.optional(v.pipe(whole(1), v.maxValue(16))),
          boundary: v.optional(notNegative),
        }),
      ),
      v.minLength(1),
      v.check((terms) => new Set(terms.map(({ kind }) => kind)).size === terms.length, 'a loss stands twice'),
    ),
  ),
  labelSmoothing: v.optional(part, 0),
  /** Decay of an exponential moving average of the weights, which is then what is validated and shipped. */
  average: v.optional(part),
  seed: v.optional(whole(0), 1),
  /** What the backward pass recomputes instead of keeping. */
  policy: v.optional(v.picklist(['reversible', 'checkpoint', 'save']), 'reversible'),
  /** Storage of feature maps; default `f32`. `f16` takes half the memory, on GPUs that have it. */
  precision: v.optional(v.picklist(trainingPrecisions)),
  trainSplit: v.optional(v.string(), 'train'),
  /** Images of both splits that are held out of training and validated on, instead of the validation split. */
  holdOut: v.optional(holdOutSchema),
  /** Cityscapes: train on the coarse set too. */
  extra: v.optional(v.boolean(), false),
  /** A model to start from; tensors of other shapes (the head, for other classes) start fresh. */
  init: v.optional(v.string()),
  /**
   * Distillation: models of the same classes whose probabilities, averaged, replace the labels of a share of the
   * pixels (`drawLabelsInPlace`). They see each picture at the size that suits them, at these zooms and mirrored too.
   */
  teacher: v.optional(
    v.strictObject({
      models: v.pipe(v.array(v.string()), v.minLength(1)),
      share: v.optional(v.pipe(amount, v.gtValue(0)), 0.5),
      scales: v.optional(
        v.pipe(v.array(v.pipe(number, v.minValue(0.1), v.maxValue(4))), v.minLength(1)),
        [1],
      ),
      flip: v.optional(v.boolean(), false),
    }),
  ),
};

/** How a run is carried out; may change between a stop and resuming. */
const settingsShape = {
  /** The data set's folder. */
  data: folder,
  /** The run's folder, made if absent. */
  out: folder,
  /** Go on from the last checkpoint in `out`. */
  resume: v.optional(v.boolean(), false),
  valSplit: v.optional(v.string(), 'val'),
  /** Size that validation images are resized to, as height and width; default: as for training where that resizes, else their own. */
  valResize: v.optional(sides),
  /** Epochs between validations (0: never); the last epoch has one too. */
  validateEvery: v.optional(whole(0), 1),
  /** Overlays of validation images written at each validation. */
  samples: v.optional(whole(0), 2),
  /** Save within epochs too, when this many minutes have passed. */
  saveEveryMinutes: v.optional(aboveZero, 10),
  /** Optimiser steps a line of metrics. */
  logEvery: v.optional(whole(1), 10),
  /** Threads of the CPU backend; default: the machine's cores. */
  threads: v.optional(whole(1)),
  /** Threads that decode images; default: half the cores, at most 4. */
  workers: v.optional(whole(0)),
  /**
   * MiB of decoded images kept in memory; default: an eighth of what the plan leaves, at most 1024, and 0 for images
   * of more than a megapixel.
   */
  cacheMiB: v.optional(notNegative),
};

const recipeSchema = v.strictObject(recipeShape);

/** All options of a training run that can be written as JSON; `parse` checks and fills in defaults. */
export const trainConfig = v.strictObject({ ...recipeShape, ...settingsShape });

/** Training options as a caller gives them. */
export type TrainConfig = v.InferInput<typeof trainConfig>;
/** Training options with all defaults filled in. */
export type ResolvedTrainConfig = v.InferOutput<typeof trainConfig>;
/** The options that determine the weights. */
export type Recipe = v.InferOutput<typeof recipeSchema>;

/**
 * Checks options and fills in defaults.
 * @param source what messages name: a config file, or `options`.
 * @throws UserError naming the option, what it is and what was expected.
 */
export function parseTrainConfig(config: unknown, source = 'options'): ResolvedTrainConfig {
  const parsed = v.safeParse(trainConfig, config);
  if (parsed.success) {
    checkOptimizer(parsed.output, source);
    return parsed.output;
  }
  const [issue] = parsed.issues;
  const where = v.getDotPath(issue);
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
  return v.parse(
    recipeSchema,
    Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name))),
  );
}
