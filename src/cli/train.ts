import { Command, InvalidArgumentError, Option } from 'commander';
import { lossKinds } from '../compile.js';
import { openDataset } from '../data/datasets.js';
import { isRemote } from '../data/storage/address.js';
import { UserError } from '../errors.js';
import { policies } from '../graph/differentiate.js';
import { optimizerNames } from '../optimizers/index.js';
import { formatScore } from '../report/format.js';
import type { TrainConfig } from '../train/config.js';
import { parseTrainConfig } from '../train/config.js';
import { RemoteRun } from '../train/remoteRun.js';
import type { TrainOptions } from '../train/train.js';
import { train } from '../train/train.js';
import { addAugmentOptions } from './augment.js';
import pc from './colour.js';
import { deviceName, openBackend, trainingPrecisionOption } from './device.js';
import { jsonOption, netOption, pixelSize, real, sizePolicy, whole } from './options.js';
import { Stopped } from './stopped.js';
import type { TrainFlags } from './train-config.js';
import { readConfig, resolveConfig } from './train-config.js';
import { interruptSignal, TrainingDisplay } from './training.js';
import { scaleList } from './views.js';

export function trainCommand(): Command {
  const command = new Command('train')
    .summary('train a network on a data set')
    .description(
      'Trains a network into a run folder with checkpoints, metrics, TensorBoard events and report.html. Defaults are ' +
        "the paper's recipe. Ctrl-C finishes the step and saves; --resume goes on as if it had never stopped.",
    )
    .optionsGroup('Run:')
    .option('--data <dir>', 'data set folder: Cityscapes, CamVid, or images/ with labels/ and classes.json')
    .option('--out <dir>', 'run folder, new; on a disk, or s3://bucket/folder')
    .option('--resume', 'go on with the run in --out, with its own options')
    .option('--config <file>', 'options from a JSON file, such as vnet.config.json; flags win')
    .option('--init <model>', 'start from the weights of a model; camvid and camvid-tiny come with vnet')
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
    .addOption(new Option('--optimizer <name>', 'default: adam').choices(optimizerNames))
    .option('--momentum <share>', 'of sgd (default: 0.9)', real(0, 0.999999))
    .option('--weight-decay <rate>', 'default: 0.0001, for adamw 0.01', real(0))
    .addOption(
      new Option('--schedule <name>', 'of the learning rate (default: poly)').choices([
        'poly',
        'cosine',
        'constant',
      ]),
    )
    .option('--warmup <steps>', 'optimiser steps of linear warm-up (default: 0)', whole(0))
    .option('--class-weights <how>', 'none | enet | enet:C | median (default: none)', classWeights)
    .option(
      '--ohem <probability>',
      'loss of hard pixels only: their class has at most this probability, such as 0.7; at least a sixteenth of all',
      real(0, 1),
    )
    .option(
      '--loss <sum>',
      'ce | focal | boundary | dice | lovasz, or a sum with shares, such as ce+lovasz:0.5 (default: ce)',
      losses,
    )
    .option('--label-smoothing <share>', 'default: 0', real(0, 0.99))
    .option('--ema <decay>', 'validate and ship averaged weights, such as 0.999', real(0, 0.999999))
    .option('--seed <n>', 'default: 1', whole(0))
    .option(
      '--teacher <models...>',
      'learn from the mean of these models too; camvid and camvid-tiny come with vnet',
    )
    .option(
      '--teacher-share <share>',
      "of pixels that take the teachers' labels (default: 0.5)",
      real(0, 1, true),
    )
    .option('--teacher-scales <list>', 'teachers look at these zooms, such as 0.75,1,1.25', scaleList)
    .option('--teacher-flip', 'and at the mirrored image');
  addAugmentOptions(command.optionsGroup('Augmentation:'));
  return command
    .optionsGroup('Network:')
    .addOption(netOption('which network (default: vnet)'))
    .option('--alpha <n>', 'V modules of stage 2 of vnet (default: 1)', whole(0, 64))
    .option('--beta <n>', 'V modules of stage 3 of vnet (default: 2)', whole(0, 64))
    .option('--classes <n>', 'refuse data with another number of classes', whole(2, 255))
    .addOption(
      new Option('--policy <policy>', 'what the backward pass recomputes (default: reversible)').choices(
        policies,
      ),
    )
    .optionsGroup('Data and validation:')
    .option('--train-split <name>', 'default: train')
    .option('--val-split <name>', 'default: val')
    .option(
      '--hold-out <regex>',
      'validate on the images of both splits whose names match, train on all others, such as ^0001TP',
    )
    .option(
      '--val-resize <HxW>',
      'size of images in validation (default: as trained where resized)',
      pixelSize,
    )
    .option('--extra', 'Cityscapes: train on the coarse set too')
    .option('--validate-every <epochs>', '0: never (default: 1)', whole(0))
    .option('--samples <n>', 'overlays written at each validation (default: 2)', whole(0, 1000))
    .optionsGroup('Machine:')
    .option('--device <name>', 'auto | webgpu | wasm (default: auto, a real GPU, else CPU cores)', deviceName)
    .option('--gpu <name>', "a GPU by part of its name, see 'vnet devices'")
    .addOption(trainingPrecisionOption())
    .option(
      '--threads <n>',
      'worker threads; results do not depend on it (default: all cores)',
      whole(1, 256),
    )
    .option('--workers <n>', 'threads that decode images (default: half the cores, at most 4)', whole(0, 64))
    .option('--cache <MiB>', 'decoded images kept in memory', real(0))
    .option('--save-every <minutes>', 'save within epochs too (default: 10)', real(0, 100_000, true))
    .option('--log-every <steps>', 'steps a line of metrics (default: 10)', whole(1))
    .option('--queue <url>', 'let vnet worker processes compute the batches, such as redis://host:6379')
    .option('--no-report', 'do not write report.html')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet train --data datasets/camvid --out runs/camvid --epochs 20 --lr 0.002\n' +
        '  vnet train --data my-data --out runs/mine --init camvid\n' +
        '  vnet train --data datasets/cityscapes --out runs/crop --size 512x1024 crop\n' +
        '  vnet train --out runs/camvid --resume',
    )
    .action(async (flags: TrainFlags, command: Command) => run(flags, command));
}

/** Such as `ce+lovasz:0.5`. */
function losses(text: string): TrainConfig['loss'] {
  const expected = `Expected ${lossKinds.join(', ')}, or a sum of them with shares above 0, such as ce+lovasz:0.5.`;
  const terms = text.split('+').map((part) => {
    const [name, share, ...more] = part.split(':');
    const kind = lossKinds.find((known) => known === name);
    const weight = share === undefined ? undefined : Number(share);
    if (
      !kind ||
      more.length > 0 ||
      share?.trim() === '' ||
      (weight !== undefined && !(weight > 0 && weight < 1e6))
    ) {
      throw new InvalidArgumentError(expected);
    }
    return { kind, ...(weight === undefined ? {} : { weight }) };
  });
  if (new Set(terms.map(({ kind }) => kind)).size < terms.length) throw new InvalidArgumentError(expected);
  return terms;
}

function classWeights(text: string): TrainConfig['classWeights'] {
  if (text === 'none' || text === 'enet' || text === 'median') return text;
  const constant = /^enet:([\d.]+)$/.exec(text)?.[1];
  if (constant && Number(constant) > 1) return { enet: Number(constant) };
  throw new InvalidArgumentError('Expected none, enet, median, or enet:C with C above 1, such as enet:1.1.');
}

async function run(flags: TrainFlags, command: Command): Promise<void> {
  const fromFile = flags.config ? await readConfig(flags.config) : {};
  const out = flags.out ?? fromFile.out;
  if (typeof out !== 'string' || !isRemote(out)) return runIn(flags, fromFile, command);
  const tell = (message: string) => void process.stderr.write(`${pc.yellow('note:')} ${message}\n`);
  const remote = await RemoteRun.open(out, flags.resume ?? false, tell);
  try {
    await runIn({ ...flags, out: remote.folder }, fromFile, command, remote);
  } catch (error) {
    // What was trained before it is not lost.
    await remote.finish().catch((second: Error) => second !== error && tell(second.message));
    throw error;
  }
}

/** @param remote where the run folder is copied to. */
async function runIn(
  flags: TrainFlags,
  fromFile: Record<string, unknown>,
  command: Command,
  remote?: RemoteRun,
): Promise<void> {
  const { config, place } = await resolveConfig(
    flags,
    fromFile,
    (name) => command.getOptionValueSource(name) === 'cli',
  );
  const parsed = parseTrainConfig(config);
  if (flags.classes !== undefined) await checkClasses(parsed.data, flags.classes);
  const backend = await openBackend(flags.queue === undefined ? place : { device: 'wasm', ...place });
  if (flags.queue !== undefined && backend.name !== 'wasm')
    throw new UserError(`--queue: trains on CPU cores; leave --device ${backend.name} away`, 2);
  const interrupt = interruptSignal(flags.queue === undefined ? undefined : 'leaving the step and saving');
  const display = new TrainingDisplay();
  // Charts take half a second and 30 MB to load.
  const reporter = flags.report
    ? new (await import('../report/reporter.js')).RunReporter(parsed.out, {
        backend,
        threads: parsed.threads,
      })
    : undefined;
  try {
    const { queue } = flags;
    const result = await train({
      ...config,
      ...(queue === undefined ? {} : { gradients: await throughQueue(queue) }),
      device: backend,
      signal: interrupt.signal,
      onEvent: (event) => {
        if (event.type === 'start') interrupt.began();
        display.onEvent(event);
        reporter?.onEvent(event);
        remote?.onEvent(event);
      },
    });
    display.stop();
    const shown = (file: string) => remote?.addressOf(file) ?? file;
    if (result.interrupted) {
      throw new Stopped(`stopped after step ${result.step}, saved in ${shown(result.last)}`, [
        ...['vnet', 'train', '--out', remote?.address ?? parsed.out, '--resume'],
        ...(queue ? ['--queue', queue] : []),
      ]);
    }
    const page = await reporter?.finish(result);
    await remote?.finish();
    const files = {
      last: shown(result.last),
      ...(result.best ? { best: shown(result.best) } : {}),
      ...(page ? { report: shown(page) } : {}),
    };
    if (flags.json) {
      process.stdout.write(`${JSON.stringify({ ...result, ...files })}\n`);
      return;
    }
    const lines = [
      files.best && `best model: ${files.best} (mIoU ${formatScore(result.bestMiou)} %)`,
      `last checkpoint: ${files.last}`,
      files.report && `report: ${pc.bold(files.report)}`,
    ];
    process.stdout.write(`${lines.filter(Boolean).join('\n')}\n`);
  } finally {
    display.stop();
    interrupt.release();
  }
}

/** Gradients of workers behind a queue; its packages are loaded only here. */
async function throughQueue(url: string): Promise<NonNullable<TrainOptions['gradients']>> {
  const { QueueGradients } = await import('../queue/gradients.js');
  return (run) => QueueGradients.open(url, run, (message) => process.stderr.write(`${message}\n`));
}

async function checkClasses(data: string, expected: number): Promise<void> {
  const { names } = (await openDataset(data)).classes;
  if (names.length === expected) return;
  throw new UserError(
    `${data}: has ${names.length} classes, not --classes ${expected} (${names.join(', ')})`,
    2,
  );
}
