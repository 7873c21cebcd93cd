import path from 'node:path';
import { Command, Option } from 'commander';
import { cityscapesClasses } from '../data/classes.js';
import { isImageName, stem } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { isFile, isFolder, listNames } from '../data/files.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { readImage, writeColourPng, writeLabelPng, writeOverlayPng } from '../data/image.js';
import { SubmissionZip, submissionName } from '../data/submission.js';
import { UserError } from '../errors.js';
import { predictLabels } from '../eval/predict.js';
import { Predictor } from '../eval/predictor.js';
import type { Model } from '../model/model.js';
import { formatRate } from '../report/format.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { deviceOptions, openBackend, precisionOption } from './device.js';
import { modelOption, openModel } from './model.js';
import { jsonOption, netOption, real, threadsOption } from './options.js';
import { Progress } from './progress.js';
import type { ViewFlags } from './views.js';
import { predictOptions, viewOptions } from './views.js';

interface PredictFlags extends ViewFlags, DeviceFlags, PrecisionFlags {
  readonly model: string;
  readonly out: string;
  readonly alpha: number;
  readonly data?: string;
  readonly split: string;
  readonly submission?: string;
  readonly net?: string;
  readonly threads: number;
  readonly json?: boolean;
}

/** An image to predict, and the output name it gets: its path below the folder it was found in, without ending. */
interface Input {
  readonly file: string;
  readonly name: string;
}

const kinds = ['labels', 'colour', 'overlay'] as const;
type Outputs = Record<(typeof kinds)[number], string>;

export function predictCommand(): Command {
  const command = new Command('predict')
    .summary('segment pictures')
    .description(
      'Segments pictures and folders of pictures at their own size, and writes three PNGs for each: NAME_labels (one ' +
        'class number a pixel), NAME_colour and NAME_overlay. Inputs are never overwritten.',
    )
    .argument('[inputs...]', 'pictures, or folders that are searched for pictures')
    .addOption(modelOption())
    .addOption(netOption('refuse models of another network'))
    .option('--data <dir>', 'predict a data set instead of pictures')
    .option('--split <name>', 'which split of --data', 'test')
    .option('--out <dir>', 'folder for the results', 'predictions')
    .addOption(
      new Option('--alpha <share>', 'strength of the colours in the overlay')
        .argParser(real(0, 1))
        .default(0.5),
    )
    .option(
      '--submission <zip>',
      'write a zip for the Cityscapes test server instead (labelIds, official names)',
    )
    .addOption(threadsOption());
  for (const option of [...deviceOptions(), precisionOption(), ...viewOptions()]) command.addOption(option);
  return command
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet predict street.jpg                      (with the model that comes with vnet)\n' +
        '  vnet predict --model runs/first holiday.jpg dashcam/ --out segmented\n' +
        '  vnet predict --model runs/first --data datasets/cityscapes --submission test.zip',
    )
    .action(run);
}

async function run(given: readonly string[], flags: PredictFlags): Promise<void> {
  const inputs = await inputsOf(given, flags);
  const backend = await openBackend(flags);
  const { model } = await openModel(flags.model, flags.net);
  const write = flags.submission
    ? submissionWriter(flags.submission, inputs, model)
    : pngWriter(flags, inputs, model);
  const predictor = new Predictor(model.network, model.weights, {
    backend,
    threads: flags.threads,
    precision: flags.precision,
  });
  const options = predictOptions(flags);
  const results: object[] = [];
  const progress = new Progress('images', inputs.length);
  let networkMs = 0;
  try {
    for (const [i, input] of inputs.entries()) {
      const image = await readImage(input.file);
      const start = performance.now();
      const labels = await predictLabels(predictor, image, options).catch((error: unknown) => {
        if (!(error instanceof UserError) || error.exitCode === 2) throw error;
        throw new UserError(`${input.file}: ${error.message}`);
      });
      const ms = performance.now() - start;
      networkMs += ms;
      const { height, width } = image;
      results.push({ image: input.file, height, width, ms, ...(await write.add(input, image, labels)) });
      progress.update(i + 1, path.basename(input.file));
    }
    await write.finish?.();
  } catch (error) {
    await write.abort?.();
    throw error;
  } finally {
    progress.stop();
    await predictor.dispose();
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else {
    const rate = formatRate((1000 * inputs.length) / networkMs);
    process.stdout.write(`${inputs.length} images (${rate}): ${flags.submission ?? flags.out}\n`);
  }
}

/** The pictures given, or those of a data set's split. */
async function inputsOf(given: readonly string[], { data, split }: PredictFlags): Promise<Input[]> {
  if (data === undefined) {
    if (given.length > 0) return given.flatMap(findInputs);
    throw new UserError('give pictures or folders to predict, or a data set with --data', 2);
  }
  if (given.length > 0) throw new UserError(`${given[0]}: give either pictures or --data, not both`, 2);
  const dataset = await openDataset(data, { split });
  return dataset.samples(split, { lenient: true }).map(({ image, id }) => ({ file: image, name: id }));
}

/** @throws UserError where nothing is there, or a folder holds no picture. */
function findInputs(given: string): Input[] {
  if (isFile(given)) return [{ file: given, name: stem(path.basename(given)) }];
  if (!isFolder(given)) throw new UserError(`${given}: no such picture or folder`);
  const found: Input[] = [];
  const walk = (folder: string, below: string): void => {
    for (const name of listNames(folder, 'files').filter(isImageName)) {
      found.push({ file: path.join(folder, name), name: path.join(below, stem(name)) });
    }
    for (const name of listNames(folder, 'folders')) walk(path.join(folder, name), path.join(below, name));
  };
  walk(given, '');
  if (found.length === 0)
    throw new UserError(`${given}: holds no picture (PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF)`);
  return found;
}

interface Writer {
  /** @returns what was written, for `--json`. */
  add(input: Input, image: RgbImage, labels: LabelImage): Promise<object>;
  finish?(): Promise<unknown>;
  abort?(): Promise<void>;
}

function pngWriter({ out, alpha }: PredictFlags, inputs: readonly Input[], model: Model): Writer {
  const outputs = outputFiles(out, inputs);
  const colours = model.info.classes.colours as [number, number, number][];
  return {
    async add(input, image, labels) {
      const files = outputs.get(input.file)!;
      // The two small ones together, then the large one: as fast on two cores, and less memory at a time.
      await Promise.all([writeLabelPng(files.labels, labels), writeColourPng(files.colour, labels, colours)]);
      await writeOverlayPng(files.overlay, image, labels, colours, alpha);
      return files;
    },
  };
}

/** Output files per input file. Names that two inputs share get the input's ending: `photo.jpg`, `photo.png`. */
function outputFiles(out: string, inputs: readonly Input[]): Map<string, Outputs> {
  const inputFiles = new Set(inputs.map(({ file }) => path.resolve(file)));
  const counts = new Map<string, number>();
  for (const { name } of inputs) counts.set(name, (counts.get(name) ?? 0) + 1);
  const taken = new Map<string, string>();
  const outputs = new Map<string, Outputs>();
  for (const { file, name } of inputs) {
    if (outputs.has(file)) continue;
    const unique = counts.get(name)! > 1 ? name + path.extname(file).replace('.', '_') : name;
    const files = Object.fromEntries(
      kinds.map((kind) => [kind, path.join(out, `${unique}_${kind}.png`)]),
    ) as Outputs;
    for (const target of Object.values(files)) {
      if (inputFiles.has(path.resolve(target))) {
        throw new UserError(`${target}: is an input and would be overwritten; choose another --out`);
      }
      const other = taken.get(target);
      if (other)
        throw new UserError(
          `${file}: has the same name as ${other}; predict them into different --out folders`,
        );
      taken.set(target, file);
    }
    outputs.set(file, files);
  }
  return outputs;
}

/** Names and classes are checked before anything runs. */
function submissionWriter(file: string, inputs: readonly Input[], { info }: Model): Writer {
  if (info.classes.names.join() !== cityscapesClasses.names.join()) {
    throw new UserError(
      `--submission ${file}: the model has ${info.classes.names.length} ${info.classes.name} classes, the server scores the ${cityscapesClasses.names.length} of Cityscapes; use a model trained on Cityscapes`,
    );
  }
  const id = ({ name }: Input): string => path.basename(name).replace(/_leftImg8bit$/, '');
  for (const input of inputs) submissionName(id(input));
  const zip = new SubmissionZip(file);
  return {
    async add(input, _image, labels) {
      await zip.add(id(input), labels);
      return { entry: submissionName(id(input)) };
    },
    finish: () => zip.finish(),
    abort: () => zip.abort(),
  };
}
