import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { openDataset } from '../data/datasets.js';
import { writeAtomic } from '../data/files.js';
import { type Part, partsOf } from '../data/holdOut.js';
import { UserError } from '../errors.js';
import { drivesMarkdown } from '../report/drives.js';
import { formatScore } from '../report/format.js';
import { parseTrainConfig, recipeOf, type TrainConfig } from '../train/config.js';
import { type LeftOutResult, meanAndWorst, trainWithout } from '../train/leaveOut.js';
import pc from './colour.js';
import type { DeviceFlags } from './device.js';
import { openBackend } from './device.js';
import { type PixelSize, pixelSize, whole } from './options.js';
import { claimStudy } from './studyFolder.js';
import { withRunOptions } from './studyOptions.js';
import { formatTable } from './table.js';
import { readConfig } from './train-config.js';
import { interruptSignal, TrainingDisplay } from './training.js';

interface DrivesFlags extends DeviceFlags {
  readonly data: string;
  readonly out: string;
  readonly group?: string;
  readonly folds?: number;
  readonly config?: string;
  readonly epochs?: number;
  readonly seed?: number;
  readonly valResize?: PixelSize;
  readonly threads: number;
  readonly json?: boolean;
}

export function drivesCommand(): Command {
  const command = new Command('drives')
    .summary('train without each drive, city or patient in turn, and score on it')
    .description(
      'How well does a recipe do on what it has never seen? Trains once without each group of images (a drive, a ' +
        'city, a patient: whatever part of the names --group finds) and scores the last weights on the group that was ' +
        'left out. Tells the mean and the worst. Data without groups are cut in --folds stretches of neighbours. ' +
        'Writes drives.md and drives.json. The same command goes on where it was stopped.',
    )
    .requiredOption('--data <dir>', 'data set folder; images of its training and validation split take part')
    .requiredOption('--out <dir>', 'folder for the runs and the results')
    .option('--group <regex>', 'where the group is in the names: the first (…), or all that matches', regExp)
    .option('--folds <k>', 'instead: equal stretches of the sorted names', whole(2, 1000))
    .option('--config <file>', "the recipe: options of 'vnet train' as JSON (default: the paper's)")
    .option('--epochs <n>', 'of each training; wins over the file', whole(1))
    .option('--seed <n>', 'of weights and order; wins over the file', whole(0))
    .option('--val-resize <HxW>', 'size of images when they are scored', pixelSize);
  return withRunOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        "  vnet study drives --data datasets/camvid --group '^[^_]+' --out runs/drives --epochs 12\n" +
        '  vnet study drives --data my-data --folds 5 --out runs/folds --config recipe.json',
    )
    .action(run);
}

async function run(flags: DrivesFlags): Promise<void> {
  if ((flags.group === undefined) === (flags.folds === undefined)) {
    throw new UserError('give either --group, where a group is in the names, or --folds', 2);
  }
  const { data, out, threads } = flags;
  const recipe = {
    ...((flags.config ? await readConfig(flags.config) : {}) as Partial<TrainConfig>),
    ...given({ epochs: flags.epochs, seed: flags.seed }),
    ...(flags.valResize
      ? { valResize: [flags.valResize.height, flags.valResize.width] as [number, number] }
      : {}),
    data,
  };
  const config = parseTrainConfig({ ...recipe, out }, flags.config);
  const dataset = await openDataset(data, { split: config.trainSplit, extra: config.extra });
  const by = flags.group === undefined ? { folds: flags.folds! } : { group: flags.group };
  const parts = partsOf(dataset, { train: config.trainSplit, val: config.valSplit }, by);
  const { valResize } = config;
  const settings = { data: path.resolve(data), by, recipe: { ...recipeOf(config), ...given({ valResize }) } };
  await claimStudy(out, settings, 'other data, groups or recipe');
  const backend = await openBackend(flags);
  const results: LeftOutResult[] = [];
  for (const [i, part] of parts.entries()) {
    const told = `${pc.bold(`${i + 1}/${parts.length}`)} without ${part.name}, ${part.images} images`;
    process.stderr.write(`${told}\n`);
    const result = await trainPart(
      part,
      path.join(out, folderName(part.name)),
      { ...recipe, threads },
      backend,
    );
    process.stderr.write(`on ${part.name}: mIoU ${pc.bold(`${formatScore(result.miou)} %`)}\n`);
    results.push(result);
  }
  const { names } = dataset.classes;
  const summary = { ...meanAndWorst(results), results };
  const about = `Each score is of a training of ${config.epochs} epochs (seed ${config.seed}) without the images that it is scored on.`;
  await writeAtomic(path.join(out, 'drives.md'), Buffer.from(drivesMarkdown(results, names, about)));
  const json = `${JSON.stringify({ settings, classes: names, ...summary }, null, 2)}\n`;
  await writeAtomic(path.join(out, 'drives.json'), Buffer.from(json));
  if (flags.json) {
    process.stdout.write(json);
    return;
  }
  const rows = results.map(({ part, images, miou, pixelAccuracy }) => [
    part,
    String(images),
    formatScore(miou),
    formatScore(pixelAccuracy),
  ]);
  const right = { align: 'right' } as const;
  const columns = [
    { title: 'left out' },
    { title: 'images', ...right },
    { title: 'mIoU %', ...right },
    { title: 'pixels %', ...right },
  ];
  process.stdout.write(
    `\n${formatTable(columns, rows)}\n\nmean ${formatScore(summary.mean)} %, worst ${formatScore(summary.worst)} %\n` +
      `table: ${path.join(out, 'drives.md')}\n`,
  );
}

async function trainPart(
  part: Part,
  out: string,
  config: Omit<TrainConfig, 'out'>,
  backend: Awaited<ReturnType<typeof openBackend>>,
): Promise<LeftOutResult> {
  const { signal, release } = interruptSignal();
  const display = new TrainingDisplay();
  try {
    const how = { device: backend, signal, onEvent: display.onEvent.bind(display) };
    const result = await trainWithout(part, out, config, how);
    if (result) return result;
    throw new UserError(`stopped without ${part.name}, saved; the same command goes on`);
  } finally {
    display.stop();
    release();
  }
}

/** A group may be anything that stands in a path of an image. */
const folderName = (group: string): string => encodeURIComponent(group).replaceAll('.', '%2E') || '%';

const given = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;

function regExp(text: string): string {
  try {
    new RegExp(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(`Expected a regular expression (${(error as Error).message}).`);
  }
}
