import path from 'node:path';
import { Command, Option } from 'commander';
import type { Dataset } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { readBytes, writeAtomic } from '../data/files.js';
import { readImageSize } from '../data/image.js';
import { checkUsable } from '../data/trainable.js';
import { UserError } from '../errors.js';
import { Calibration } from '../eval/calibration.js';
import type { ConfusionMatrix } from '../eval/confusion.js';
import type { Evaluation } from '../eval/evaluate.js';
import { evaluate } from '../eval/evaluate.js';
import { fittingSize } from '../eval/fitting.js';
import { Predictor } from '../eval/predictor.js';
import type { Model } from '../model/model.js';
import { formatRate, formatScore } from '../report/format.js';
import pc from './colour.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { deviceOptions, openBackend, precisionOption } from './device.js';
import { modelOption, openModel } from './model.js';
import { formatSize, jsonOption, netOption, threadsOption } from './options.js';
import { Progress } from './progress.js';
import { queueBackend } from './queueOptions.js';
import { formatTable } from './table.js';
import { interruptSignal } from './training.js';
import type { ViewFlags } from './views.js';
import { predictOptions, viewOptions } from './views.js';

interface EvalOptions extends ViewFlags, DeviceFlags, PrecisionFlags {
  readonly model: string;
  readonly data: string;
  readonly split: string;
  readonly confusion?: string;
  readonly calibration?: boolean;
  readonly net?: string;
  readonly threads: number;
  readonly json?: boolean;
  readonly queue?: string;
}

/** Images named as the worst. */
const worstCount = 5;

export function evalCommand(): Command {
  const command = new Command('eval')
    .summary('score a model on labelled images')
    .description(
      'Runs a model over a split, each image at its own size, and prints IoU per class, mIoU and accuracy.',
    )
    .addOption(modelOption())
    .addOption(netOption('refuse models of another network'))
    .requiredOption('--data <dir>', 'data set folder')
    .option('--split <name>', 'which split', 'val')
    .addOption(
      new Option('--confusion <file>', 'write the confusion matrix to a .csv or .json file').argParser(
        matrixFile,
      ),
    )
    .option('--calibration', 'also tell how far confidence can be trusted; takes longer')
    .addOption(threadsOption());
  for (const option of [...deviceOptions(), precisionOption(), ...viewOptions()]) command.addOption(option);
  return command
    .option('--queue <url>', 'let vnet worker processes do it, such as redis://host:6379; see vnet worker')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  vnet eval --model runs/first --data datasets/camvid --split val --confusion confusion.csv\n' +
        '  vnet eval --data datasets/camvid --resize 720x960 --calibration\n' +
        '  vnet eval --model runs/first --data /mnt/cityscapes --queue redis://10.0.0.5:6379',
    )
    .action(run);
}

function matrixFile(file: string): string {
  if (!/\.(csv|json)$/i.test(file)) {
    throw new UserError(`--confusion ${file}: expected a file name that ends in .csv or .json`, 2);
  }
  return file;
}

async function run(options: EvalOptions): Promise<void> {
  if (options.queue !== undefined && options.calibration) {
    throw new UserError('--calibration: is computed on one machine, not with --queue', 2);
  }
  const { model, file } = await openModel(options.model, options.net);
  const dataset = await openDataset(options.data, { split: options.split });
  const { resize } = predictOptions(options);
  await checkUsable(dataset, { val: options.split, size: resize ? { resize } : 'full' }, (message) =>
    process.stderr.write(`note: ${message}\n`),
  );
  const samples = dataset.samples(options.split);
  const progress = new Progress('images', samples.length);
  const calibration = options.calibration ? new Calibration() : undefined;
  const images: { name: string; miou: number | undefined }[] = [];
  const onImage = (miou: number | undefined, done: number) => {
    images.push({ name: samples[done - 1].image, miou });
    progress.update(done);
  };
  const note = await ownSizeNote(model, dataset, options);
  if (note) process.stderr.write(`${pc.yellow('note:')} ${note}\n`);
  let evaluation: Evaluation;
  try {
    const run = options.queue === undefined ? evaluateHere : evaluateElsewhere;
    evaluation = await run(options, { model, file, dataset, calibration, onImage, progress });
  } finally {
    progress.stop();
  }
  const { names } = dataset.classes;
  if (options.confusion) await writeConfusion(options.confusion, evaluation.confusion, names);
  const worst = images
    .filter((image): image is { name: string; miou: number } => image.miou !== undefined)
    .sort((a, b) => a.miou - b.miou)
    .slice(0, worstCount);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(toJson(evaluation, file, names, worst, calibration), null, 2)}\n`);
    return;
  }
  process.stdout.write(render(evaluation, names, worst, options, calibration));
}

/** What people are told where `vnet predict` would show pictures of the split at another size, by the first of them. */
async function ownSizeNote(
  { info }: Model,
  dataset: Dataset,
  { split, resize, window }: EvalOptions,
): Promise<string | undefined> {
  if (resize || window) return undefined;
  const [{ image }] = dataset.samples(split, { lenient: true });
  const size = await readImageSize(image);
  const fitting = fittingSize(info, size);
  if (!fitting) return undefined;
  const shown = fitting.join('x');
  return `images are scored as they are (${path.basename(image)}: ${formatSize(size)}); vnet predict shows such a picture to this model at ${fitting.join('×')}, which --resize ${shown} scores`;
}

interface Given {
  readonly model: Model;
  readonly file: string;
  readonly dataset: Dataset;
  readonly calibration: Calibration | undefined;
  readonly onImage: (miou: number | undefined, done: number) => void;
  readonly progress: Progress;
}

async function evaluateHere(
  options: EvalOptions,
  { model, dataset, calibration, onImage }: Given,
): Promise<Evaluation> {
  const { threads, precision, split } = options;
  const backend = await openBackend(options);
  const predictor = new Predictor(model.network, model.weights, { backend, threads, precision });
  try {
    return await evaluate(predictor, dataset, {
      classes: model.info.classes,
      ...predictOptions(options),
      ...{ split, calibration },
      onImage: ({ miou }, done) => onImage(miou, done),
    });
  } finally {
    await predictor.dispose();
  }
}

/** The packages of the queue are loaded only here. */
async function evaluateElsewhere(
  options: EvalOptions,
  { file, dataset, onImage, progress }: Given,
): Promise<Evaluation> {
  const { evaluateByQueue } = await import('../queue/evaluate.js');
  const { queue, precision, split } = options;
  const { signal, began, release } = interruptSignal('taking back what nobody has begun');
  began();
  try {
    return await evaluateByQueue({
      url: queue!,
      model: await readBytes(file),
      dataset,
      split,
      setup: { backend: queueBackend(options), precision, view: predictOptions(options) },
      tell: (message) => progress.log(message),
      signal,
      onImage,
    });
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw new UserError('stopped; no score was computed');
    throw error;
  } finally {
    release();
  }
}

function toJson(
  { split, images, scores, confusion, networkMs }: Evaluation,
  model: string,
  names: readonly string[],
  worst: readonly { name: string; miou: number }[],
  calibration?: Calibration,
) {
  return {
    model,
    split,
    images,
    ...scores,
    classIou: Object.fromEntries(names.map((name, i) => [name, scores.classIou[i] ?? null])),
    classAccuracy: Object.fromEntries(names.map((name, i) => [name, scores.classAccuracy[i] ?? null])),
    ...(scores.classIiou
      ? { classIiou: Object.fromEntries(names.map((name, i) => [name, scores.classIiou?.[i] ?? null])) }
      : {}),
    ...(calibration ? { calibration: { error: calibration.error ?? null, bins: calibration.bins } } : {}),
    ignoredPixels: confusion.ignored,
    imagesPerSecond: (1000 * images) / networkMs,
    worst,
  };
}

function render(
  { split, images, scores, confusion, networkMs }: Evaluation,
  names: readonly string[],
  worst: readonly { name: string; miou: number }[],
  options: EvalOptions,
  calibration?: Calibration,
): string {
  const pixels = names.map((_, i) => names.reduce((sum, __, j) => sum + confusion.at(i, j), 0));
  const { classIiou } = scores;
  const rows = names.map((name, i) => [
    name,
    formatScore(scores.classIou[i]),
    formatScore(scores.classAccuracy[i]),
    ...(classIiou ? [formatScore(classIiou[i])] : []),
    confusion.total > 0 ? `${((100 * pixels[i]) / confusion.total).toFixed(2)} %` : '–',
    bar(scores.classIou[i]),
  ]);
  const mean = [
    'mean',
    formatScore(scores.miou),
    formatScore(scores.meanAccuracy),
    ...(classIiou ? [formatScore(scores.meanIiou)] : []),
    '',
    bar(scores.miou),
  ];
  const table = formatTable(
    [
      { title: 'class' },
      { title: 'IoU', align: 'right' },
      { title: 'accuracy', align: 'right', rank: 2 },
      ...(classIiou ? [{ title: 'iIoU', align: 'right' } as const] : []),
      { title: 'of pixels', align: 'right', rank: 3 },
      { title: '', rank: 1 },
    ],
    [...rows, mean],
    { total: true },
  );
  const summary =
    `${pc.bold(`mIoU ${formatScore(scores.miou)} %`)}, pixel accuracy ${formatScore(scores.pixelAccuracy)} %` +
    (scores.meanCategoryIou === undefined ? '' : `, categories ${formatScore(scores.meanCategoryIou)} %`) +
    ` on ${images} images of split '${split}' (network: ${formatRate((1000 * images) / networkMs)})`;
  const last = worst.map(
    ({ name, miou }) => `  ${formatScore(miou).padStart(5)}  ${path.relative('.', name)}`,
  );
  const written = options.confusion ? `\n\nconfusion matrix: ${options.confusion}` : '';
  const trust = calibration ? `\n\n${calibrationText(calibration)}` : '';
  return `\n${table}\n\n${summary}${trust}\n\nlowest mIoU of their own:\n${last.join('\n')}${written}\n\n`;
}

/** Confidence against accuracy, for intervals that hold pixels, and the expected calibration error. */
function calibrationText({ bins, error }: Calibration): string {
  const total = bins.reduce((sum, { pixels }) => sum + pixels, 0);
  const rows = bins
    .filter(({ pixels }) => pixels > 0)
    .map(({ pixels, confidence, accuracy }) => [
      formatScore(confidence),
      formatScore(accuracy),
      `${((100 * pixels) / total).toFixed(2)} %`,
      bar(accuracy),
    ]);
  const right = { align: 'right' } as const;
  const columns = [
    { title: 'confidence', ...right },
    { title: 'right', ...right },
    { title: 'of pixels', ...right, rank: 2 },
    { title: '', rank: 1 },
  ];
  return `${formatTable(columns, rows)}\n\ncalibration error ${formatScore(error)} %`;
}

/** A bar of up to 20 cells in eighths. */
function bar(score: number | undefined): string {
  if (score === undefined) return '';
  const eighths = Math.round(score * 160);
  return pc.cyan('█'.repeat(eighths >> 3) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths & 7]);
}

/** Rows are true classes, columns predicted ones, cells pixels. */
async function writeConfusion(
  file: string,
  confusion: ConfusionMatrix,
  names: readonly string[],
): Promise<void> {
  const rows = confusion.toRows();
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const text = /\.json$/i.test(file)
    ? `${JSON.stringify({ classes: names, truthByPrediction: rows, ignored: confusion.ignored })}\n`
    : `${[['truth \\ prediction', ...names], ...rows.map((row, i) => [names[i], ...row.map(String)])]
        .map((row) => row.map(cell).join(','))
        .join('\n')}\n`;
  await writeAtomic(file, Buffer.from(text));
}
