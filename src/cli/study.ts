import path from 'node:path';
import { Command } from 'commander';
import type { Backend } from '../backends/backend.js';
import type { Dataset } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { isFile, writeAtomic } from '../data/files.js';
import { readImage } from '../data/image.js';
import { UserError } from '../errors.js';
import { evaluate } from '../eval/evaluate.js';
import { Predictor } from '../eval/predictor.js';
import { loadModel } from '../model/load.js';
import { lossCurve, readRun, timesOf } from '../report/record.js';
import type { Part, PartResult } from '../report/studyPart.js';
import { partNames, partSchema } from '../report/studyPart.js';
import { runFiles } from '../train/checkpoint.js';
import type { TrainConfig } from '../train/config.js';
import { train } from '../train/train.js';
import pc from './colour.js';
import { openBackend } from './device.js';
import type { PixelSize } from './options.js';
import { formatSize, pixelSize, whole } from './options.js';
import { Progress } from './progress.js';
import { alphaBetaCommand } from './studyAlphaBeta.js';
import { drivesCommand } from './studyDrives.js';
import { claimStudy, kept } from './studyFolder.js';
import type { RecipeFlags } from './studyOptions.js';
import { withRecipeOptions } from './studyOptions.js';
import { policyCommand } from './studyPolicy.js';
import { formatTable } from './table.js';
import { interruptSignal, TrainingDisplay } from './training.js';

interface StudyFlags extends RecipeFlags {
  readonly data: string;
  readonly out: string;
  readonly iterations?: number;
  readonly crop?: PixelSize;
  readonly resize?: PixelSize;
}

/** Epochs of the paper's recipe. */
const paperEpochs = 300;

export const studyCommand = (): Command =>
  new Command('study')
    .summary('experiments of several trainings, with table and plot')
    .description('Trainings that answer one question, with a table and a plot of their scores.')
    .addCommand(resolutionCommand())
    .addCommand(alphaBetaCommand())
    .addCommand(policyCommand())
    .addCommand(drivesCommand());

function resolutionCommand(): Command {
  const command = new Command('resolution')
    .summary('train on full images, crops and resized images, and compare')
    .description(
      'Trains the same network three times with equal iterations: on full images, on random crops and on resized ' +
        'images. All are scored at full resolution. Writes resolution.md, resolution.json and resolution.svg. The ' +
        'same command goes on where it was stopped; what is finished is not done again.',
    )
    .requiredOption('--data <dir>', 'data set folder')
    .requiredOption('--out <dir>', 'folder for the three runs and the results')
    .option(
      '--iterations <n>',
      `optimiser steps of each training, rounded up to whole epochs (default: ${paperEpochs} epochs)`,
      whole(1),
    )
    .option('--crop <HxW>', 'size of the crops (default: half of the images)', pixelSize)
    .option('--resize <HxW>', 'size that images are resized to (default: half of the images)', pixelSize);
  return withRecipeOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  vnet study resolution --data datasets/cityscapes --out runs/resolution --iterations 20000',
    )
    .action(run);
}

/** What decides the result: a folder holds one study. */
interface Settings {
  readonly data: string;
  readonly epochs: number;
  readonly iterations: number;
  readonly full: readonly [height: number, width: number];
  readonly crop: readonly [height: number, width: number];
  readonly resize: readonly [height: number, width: number];
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly trainSplit: string;
  readonly valSplit: string;
}

async function run(flags: StudyFlags): Promise<void> {
  const backend = await openBackend(flags);
  const dataset = await openDataset(flags.data, { split: flags.trainSplit });
  const settings = await settingsOf(flags, dataset);
  await claimStudy(flags.out, settings);
  const results: PartResult[] = [];
  for (const [i, part] of partNames.entries()) {
    const file = path.join(flags.out, part, 'result.json');
    const name = `${pc.bold(`${i + 1}/3`)} ${part}, ${formatSize(sizeOf(part, settings))}`;
    const after = isFile(file) ? ': finished before' : `, ${settings.iterations} iterations`;
    process.stderr.write(`${name}${after}\n`);
    results.push(await kept(file, partSchema, () => runPart(part, settings, flags, dataset, backend)));
  }
  await writeResults(flags, settings, results);
}

async function settingsOf(flags: StudyFlags, dataset: Dataset): Promise<Settings> {
  const { batch, lr, seed, trainSplit, valSplit, data } = flags;
  const samples = dataset.samples(trainSplit);
  if (!(await dataset.hasLabels(valSplit))) {
    throw new UserError(`${data}: split '${valSplit}' has no labels to score; choose another --val-split`);
  }
  const { height, width } = await readImage(samples[0].image);
  const steps = Math.floor(samples.length / batch);
  if (steps === 0) {
    throw new UserError(
      `--batch ${batch}: split '${trainSplit}' of ${data} has only ${samples.length} images; choose a smaller batch`,
      2,
    );
  }
  const epochs = flags.iterations === undefined ? paperEpochs : Math.ceil(flags.iterations / steps);
  const half = [Math.round(height / 2), Math.round(width / 2)] as const;
  const pair = (size: PixelSize | undefined) => (size ? ([size.height, size.width] as const) : half);
  for (const [name, given] of Object.entries({ crop: pair(flags.crop), resize: pair(flags.resize) })) {
    if (given[0] < 32 || given[1] < 32) {
      throw new UserError(`--${name} ${given.join('x')}: expected at least 32x32 pixels`, 2);
    }
    if (given[0] > height || given[1] > width) {
      throw new UserError(`--${name} ${given.join('x')}: is larger than the images, ${height}x${width}`, 2);
    }
  }
  return {
    data: path.resolve(data),
    epochs,
    iterations: epochs * steps,
    full: [height, width],
    crop: pair(flags.crop),
    resize: pair(flags.resize),
    batch,
    learningRate: lr,
    seed,
    trainSplit,
    valSplit,
  };
}

const sizeOf = (part: Part, settings: Settings): PixelSize => ({
  height: settings[part][0],
  width: settings[part][1],
});

async function runPart(
  part: Part,
  settings: Settings,
  { out, threads }: StudyFlags,
  dataset: Dataset,
  backend: Backend,
): Promise<PartResult> {
  const folder = path.join(out, part);
  const { last, previous } = runFiles(folder);
  const { height, width } = sizeOf(part, settings);
  const interrupt = interruptSignal();
  const display = new TrainingDisplay();
  let arenaBytes = 0;
  const config: TrainConfig = {
    data: settings.data,
    out: folder,
    resume: isFile(last) || isFile(previous),
    epochs: settings.epochs,
    batch: settings.batch,
    size:
      part === 'full' ? 'full' : part === 'crop' ? { crop: [height, width] } : { resize: [height, width] },
    learningRate: settings.learningRate,
    seed: settings.seed,
    trainSplit: settings.trainSplit,
    valSplit: settings.valSplit,
    // The last weights are scored: choosing the best by validation would favour who is validated as trained.
    validateEvery: 0,
    threads,
  };
  const result = await train({
    ...config,
    device: backend,
    signal: interrupt.signal,
    onEvent: (event) => {
      if (event.type === 'start') interrupt.began();
      display.onEvent(event);
      if (event.type === 'start') arenaBytes = event.planBytes;
    },
  }).finally(() => {
    display.stop();
    interrupt.release();
  });
  if (result.interrupted) {
    throw new UserError(`stopped after step ${result.step} of '${part}', saved; the same command goes on`);
  }
  const { trainingSeconds, imagesPerSecond } = timesOf(await readRun(folder));
  return {
    ...{ part, height, width, iterations: result.step },
    ...(await score(result.last, part, settings, dataset, { backend, threads })),
    ...{ trainingSeconds, imagesPerSecond, arenaBytes },
  };
}

/** At full resolution; a network of resized images also with its input resized as it was trained. */
async function score(
  file: string,
  part: Part,
  { valSplit, resize }: Settings,
  dataset: Dataset,
  place: { backend: Backend; threads: number },
): Promise<Pick<PartResult, 'miou' | 'pixelAccuracy' | 'resizedMiou' | 'classIou'>> {
  const { network, weights } = await loadModel(file);
  const predictor = new Predictor(network, weights, { ...place, sizes: 1 });
  const scoresWith = async (view: { resize?: Settings['resize'] }) => {
    const progress = new Progress('scoring', dataset.samples(valSplit).length);
    try {
      const options = { ...view, split: valSplit, instances: false };
      return await evaluate(predictor, dataset, { ...options, onImage: (_, done) => progress.update(done) });
    } finally {
      progress.stop();
    }
  };
  try {
    const { scores } = await scoresWith({});
    return {
      miou: scores.miou ?? null,
      pixelAccuracy: scores.pixelAccuracy ?? null,
      ...(part === 'resize' ? { resizedMiou: (await scoresWith({ resize })).scores.miou ?? null } : {}),
      classIou: Object.fromEntries(
        dataset.classes.names.map((name, i) => [name, scores.classIou[i] ?? null]),
      ),
    };
  } finally {
    await predictor.dispose();
  }
}

async function writeResults(
  { out, json }: StudyFlags,
  settings: Settings,
  results: readonly PartResult[],
): Promise<void> {
  const { studyChart, studyMarkdown, studyRows } = await import('../report/study.js');
  const { lossesChart } = await import('../report/losses.js');
  const { epochs, iterations, batch, learningRate, seed, valSplit } = settings;
  const about = [
    `Three trainings of ${iterations} iterations (${epochs} epochs, batch ${batch}, learning rate ${learningRate}, seed ${seed})`,
    `of the same network, their last weights scored on full-resolution images of split '${valSplit}' of ${path.basename(settings.data)}.`,
  ];
  const to = (name: string, text: string) => writeAtomic(path.join(out, name), Buffer.from(text));
  await to('resolution.md', studyMarkdown(results, about));
  await to('resolution.json', `${JSON.stringify({ settings, results }, null, 2)}\n`);
  await to('resolution.svg', studyChart(results));
  const runs = await Promise.all(
    results.map(async ({ part }) => ({ name: part, losses: lossCurve(await readRun(path.join(out, part))) })),
  );
  await to('resolution-loss.svg', lossesChart(runs));
  if (json) {
    process.stdout.write(`${JSON.stringify({ settings, results }, null, 2)}\n`);
    return;
  }
  const { titles, rows } = studyRows(results);
  const columns = titles.map((title, i) => ({
    title,
    ...(i > 1 ? { align: 'right' as const } : {}),
    ...(i > 4 ? { rank: i } : {}),
  }));
  process.stdout.write(
    `\n${formatTable(columns, rows)}\n\ntable: ${path.join(out, 'resolution.md')}\nplot:  ${path.join(out, 'resolution.svg')}\n\n`,
  );
}
