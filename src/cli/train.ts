import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { openDataset } from '../data/datasets.js';
import { isFile, readBytes, reason } from '../data/files.js';
import { UserError } from '../errors.js';
import { policies } from '../graph/differentiate.js';
import { formatScore } from '../report/format.js';
import { runFiles } from '../train/checkpoint.js';
import type { TrainConfig } from '../train/config.js';
import { parseTrainConfig } from '../train/config.js';
import { train } from '../train/train.js';
import { defaultBackend } from './device.js';
import { modelFile } from './model.js';
import { jsonOption, pixelSize, real, whole } from './options.js';
import { interruptSignal, TrainingDisplay } from './training.js';

type Size = NonNullable<TrainConfig['size']>;

/** Flags of `vnet train`; those that were not given are absent. */
interface TrainFlags {
  readonly config?: string;
  readonly data?: string;
  readonly out?: string;
  readonly epochs?: number;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly size?: Size;
  readonly flip?: boolean;
  readonly scale?: [number, number];
  readonly jitter?: number;
  readonly lr?: number;
  readonly optimizer?: 'adam' | 'adamw';
  readonly weightDecay?: number;
  readonly schedule?: 'poly' | 'cosine' | 'constant';
  readonly warmup?: number;
  readonly classWeights?: TrainConfig['classWeights'];
  readonly labelSmoothing?: number;
  readonly ema?: number;
  readonly seed?: number;
  readonly policy?: TrainConfig['policy'];
  readonly alpha?: number;
  readonly beta?: number;
  readonly classes?: number;
  readonly init?: string;
  readonly trainSplit?: string;
  readonly valSplit?: string;
  readonly extra?: boolean;
  readonly validateEvery?: number;
  readonly samples?: number;
  readonly saveEvery?: number;
  readonly logEvery?: number;
  readonly threads?: number;
  readonly workers?: number;
  readonly cache?: number;
  readonly resume?: boolean;
  readonly report: boolean;
  readonly json?: boolean;
}

export const trainCommand = (): Command =>
  new Command('train')
    .summary('train a network on a data set')
    .description(
      'Trains a network into a run folder with checkpoints, metrics, TensorBoard events and report.html. Defaults are ' +
        "the paper's recipe. Ctrl-C finishes the step and saves; --resume goes on as if it had never stopped.",
    )
    .optionsGroup('Run:')
    .option('--data <dir>', 'data set folder: Cityscapes, CamVid, or images/ with labels/ and classes.json')
    .option('--out <dir>', 'run folder, new')
    .option('--resume', 'go on with the run in --out, with its own options')
    .option('--config <file>', 'options from a JSON file, such as vnet.config.json; flags win')
    .option('--init <model>', 'start from the weights of a model')
    .optionsGroup('Recipe:')
    .option('--epochs <n>', 'passes over the training split (default: 300)', whole(1))
    .option('--batch <n>', 'images a step (default: 4)', whole(1, 4096))
    .option(
      '--accumulate <n>',
      'batches an optimiser step; batch norm sees each alone (default: 1)',
      whole(1, 4096),
    )
    .option('--size <size...>', 'full | HxW crop | HxW resize (default: full)', sizePolicy)
    .option('--lr <rate>', 'highest learning rate (default: 0.0005)', real(0, 1000, true))
    .addOption(new Option('--optimizer <name>', 'default: adam').choices(['adam', 'adamw']))
    .option('--weight-decay <rate>', 'default: 0.0001 for adam, 0.01 for adamw', real(0))
    .addOption(
      new Option('--schedule <name>', 'of the learning rate (default: poly)').choices([
        'poly',
        'cosine',
        'constant',
      ]),
    )
    .option('--warmup <steps>', 'optimiser steps of linear warm-up (default: 0)', whole(0))
    .option('--class-weights <how>', 'none | enet | enet:C | median (default: none)', classWeights)
    .option('--label-smoothing <share>', 'default: 0', real(0, 0.99))
    .option('--ema <decay>', 'validate and ship averaged weights, such as 0.999', real(0, 0.999999))
    .option('--seed <n>', 'default: 1', whole(0))
    .optionsGroup('Augmentation:')
    .option('--no-flip', 'do not mirror half of the images')
    .option('--scale <low,high>', 'random zoom, such as 0.75,1.75', range)
    .option('--jitter <amount>', 'random brightness, contrast, saturation, such as 0.4', real(0, 1))
    .optionsGroup('Network:')
    .option('--alpha <n>', 'V modules of stage 2 (default: 1)', whole(0, 64))
    .option('--beta <n>', 'V modules of stage 3 (default: 2)', whole(0, 64))
    .option('--classes <n>', 'refuse data with another number of classes', whole(2, 255))
    .addOption(
      new Option('--policy <policy>', 'what the backward pass recomputes (default: reversible)').choices(
        policies,
      ),
    )
    .optionsGroup('Data and validation:')
    .option('--train-split <name>', 'default: train')
    .option('--val-split <name>', 'default: val')
    .option('--extra', 'Cityscapes: train on the coarse set too')
    .option('--validate-every <epochs>', '0: never (default: 1)', whole(0))
    .option('--samples <n>', 'overlays written at each validation (default: 2)', whole(0, 1000))
    .optionsGroup('Machine:')
    .option(
      '--threads <n>',
      'worker threads; results do not depend on it (default: all cores)',
      whole(1, 256),
    )
    .option('--workers <n>', 'threads that decode images (default: half the cores, at most 4)', whole(0, 64))
    .option('--cache <MiB>', 'decoded images kept in memory', real(0))
    .option('--save-every <minutes>', 'save within epochs too (default: 10)', real(0, 100_000, true))
    .option('--log-every <steps>', 'steps a line of metrics (default: 10)', whole(1))
    .option('--no-report', 'do not write report.html')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet train --data datasets/camvid --out runs/camvid --epochs 20 --lr 0.002\n' +
        '  vnet train --data datasets/cityscapes --out runs/crop --size 512x1024 crop\n' +
        '  vnet train --out runs/camvid --resume',
    )
    .action(async (flags: TrainFlags, command: Command) => run(flags, command));

function sizePolicy(word: string, before: unknown): Size {
  if (before === undefined) {
    if (word === 'full') return 'full';
    const { height, width } = pixelSize(word);
    return { crop: [height, width] };
  }
  if (typeof before === 'object' && before !== null && 'crop' in before) {
    const sides = (before as { crop: [number, number] }).crop;
    if (word === 'crop') return { crop: sides };
    if (word === 'resize') return { resize: sides };
  }
  throw new InvalidArgumentError("Expected 'full', 'HxW crop' or 'HxW resize'.");
}

function classWeights(text: string): TrainConfig['classWeights'] {
  if (text === 'none' || text === 'enet' || text === 'median') return text;
  const constant = /^enet:([\d.]+)$/.exec(text)?.[1];
  if (constant && Number(constant) > 1) return { enet: Number(constant) };
  throw new InvalidArgumentError('Expected none, enet, median, or enet:C with C above 1, such as enet:1.1.');
}

function range(text: string): [number, number] {
  const parts = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parts.length !== 2 || !(parts[0] > 0 && parts[0] <= parts[1])) {
    throw new InvalidArgumentError('Expected two numbers with low ≤ high, such as 0.75,1.75.');
  }
  return [parts[0], parts[1]];
}

async function run(flags: TrainFlags, command: Command): Promise<void> {
  const config = await resolveConfig(flags, command);
  const parsed = parseTrainConfig(config);
  if (flags.classes !== undefined) await checkClasses(parsed.data, flags.classes);
  // Charts take half a second to load, which other commands and --help need not wait for.
  const { RunReporter } = await import('../report/reporter.js');
  const { signal, release } = interruptSignal();
  const display = new TrainingDisplay();
  const reporter = flags.report
    ? new RunReporter(parsed.out, { backend: defaultBackend, threads: parsed.threads })
    : undefined;
  try {
    const result = await train({
      ...config,
      backend: defaultBackend,
      signal,
      onEvent: (event) => {
        display.onEvent(event);
        reporter?.onEvent(event);
      },
    });
    display.stop();
    if (result.interrupted) {
      throw new UserError(
        `stopped after step ${result.step}, saved in ${result.last}; go on with: vnet train --out ${parsed.out} --resume`,
      );
    }
    const page = await reporter?.finish(result);
    if (flags.json) {
      process.stdout.write(`${JSON.stringify({ ...result, ...(page ? { report: page } : {}) })}\n`);
      return;
    }
    const lines = [
      result.best && `best model: ${result.best} (mIoU ${formatScore(result.bestMiou)} %)`,
      `last checkpoint: ${result.last}`,
      page && `report: ${pc.bold(page)}`,
    ];
    process.stdout.write(`${lines.filter(Boolean).join('\n')}\n`);
  } finally {
    display.stop();
    release();
  }
}

async function checkClasses(data: string, expected: number): Promise<void> {
  const { names } = (await openDataset(data)).classes;
  if (names.length === expected) return;
  throw new UserError(
    `${data}: has ${names.length} classes, not --classes ${expected} (${names.join(', ')})`,
    2,
  );
}

/** Options in order of strength: flags, then the file of `--config`, then those of the run that is resumed. */
async function resolveConfig(flags: TrainFlags, command: Command): Promise<TrainConfig> {
  const fromFile = flags.config ? await readConfig(flags.config) : {};
  const out = flags.out ?? fromFile.out;
  if (typeof out !== 'string') throw new UserError("required option '--out <dir>' not specified", 2);
  const stored = runFiles(out).config;
  const before = flags.resume && isFile(stored) ? await readConfig(stored) : {};
  const given = (name: keyof TrainFlags) => command.getOptionValueSource(name) === 'cli';
  const network = {
    ...(before.network as TrainConfig['network']),
    ...(fromFile.network as TrainConfig['network']),
  };
  const depth = {
    ...(flags.alpha === undefined ? {} : { alpha: flags.alpha }),
    ...(flags.beta === undefined ? {} : { beta: flags.beta }),
  };
  const augment = {
    ...(before.augment as TrainConfig['augment']),
    ...(fromFile.augment as TrainConfig['augment']),
    ...(given('flip') ? { flip: flags.flip } : {}),
    ...(flags.scale ? { scale: flags.scale } : {}),
    ...(flags.jitter === undefined ? {} : { jitter: flags.jitter }),
  };
  const direct = {
    data: flags.data,
    out,
    resume: flags.resume,
    epochs: flags.epochs,
    batch: flags.batch,
    accumulate: flags.accumulate,
    size: flags.size,
    learningRate: flags.lr,
    optimizer: flags.optimizer,
    weightDecay: flags.weightDecay,
    schedule: flags.schedule,
    warmup: flags.warmup,
    classWeights: flags.classWeights,
    labelSmoothing: flags.labelSmoothing,
    average: flags.ema,
    seed: flags.seed,
    policy: flags.policy,
    init: flags.init && modelFile(flags.init),
    trainSplit: flags.trainSplit,
    valSplit: flags.valSplit,
    extra: flags.extra,
    validateEvery: flags.validateEvery,
    samples: flags.samples,
    saveEveryMinutes: flags.saveEvery,
    logEvery: flags.logEvery,
    threads: flags.threads,
    workers: flags.workers,
    cacheMiB: flags.cache,
  };
  const merged: Record<string, unknown> = {
    ...before,
    resume: false,
    ...fromFile,
    ...Object.fromEntries(Object.entries(direct).filter(([, value]) => value !== undefined)),
    ...(Object.keys(augment).length > 0 ? { augment } : {}),
    ...(Object.keys(network).length + Object.keys(depth).length > 0
      ? { network: { name: 'vnet', ...network, config: { ...network.config, ...depth } } }
      : {}),
  };
  if (typeof merged.data !== 'string') {
    throw new UserError("required option '--data <dir>' not specified", 2);
  }
  return merged as unknown as TrainConfig;
}

/** The options in a JSON file, checked so that messages name the file. */
async function readConfig(file: string): Promise<Record<string, unknown>> {
  const bytes = await readBytes(file);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new UserError(`${file}: is not valid JSON (${reason(error)})`, 2);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new UserError(
      `${file}: expected an object of options like {"epochs": 20, "learningRate": 0.002}`,
      2,
    );
  }
  // `data` and `out` may come from the command line instead.
  parseTrainConfig({ data: path.sep, out: path.sep, ...json }, file);
  return json as Record<string, unknown>;
}
