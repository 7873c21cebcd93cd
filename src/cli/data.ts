import { Command, InvalidArgumentError } from 'commander';
import { convertAnnotations } from '../data/annotations/convert.js';
import type { SizePolicy } from '../data/augment/augmentation.js';
import type { Report, SplitReport } from '../data/check.js';
import { checkDataset } from '../data/check.js';
import { UserError } from '../errors.js';
import { formatCount } from '../report/format.js';
import pc from './colour.js';
import { jsonOption, sizePolicy, whole } from './options.js';
import { Progress } from './progress.js';
import { formatTable } from './table.js';

interface CheckOptions {
  readonly split?: string;
  readonly trainSplit?: string;
  readonly valSplit?: string;
  readonly batch: number;
  readonly size?: SizePolicy;
  readonly extra?: boolean;
  readonly workers?: number;
  readonly json?: boolean;
}

interface ConvertFlags {
  readonly out: string;
  readonly split?: string;
  readonly images?: string;
  readonly classes?: string[];
  readonly background: string;
  readonly ignoreBackground?: boolean;
  readonly json?: boolean;
}

/** Problems of one kind that are printed in full; `--json` has all. */
const mostProblems = 20;

export const dataCommand = (): Command =>
  new Command('data')
    .summary('look at data sets')
    .description('Looks at data sets before a training spends hours on them.')
    .addCommand(
      new Command('check')
        .summary('scan a data set for everything that would spoil a training')
        .description(
          'Reads every image and label and prints counts, sizes, the class histogram, suggested class weights and ' +
            'each problem with its file. Exit code 1 where a training with the same options would fail.',
        )
        .argument('<dir>', 'data set folder: Cityscapes, CamVid, or images/ with labels/ and classes.json')
        .option('--split <name>', 'only this split')
        .option('--train-split <name>', 'the split to train on (default: train)')
        .option('--val-split <name>', 'the split to validate on (default: val)')
        .option(
          '--size <size...>',
          'full | HxW crop | HxW resize, as for training (default: full)',
          sizePolicy,
        )
        .option('--batch <n>', 'images a step, as for training', whole(1, 4096), 4)
        .option('--extra', 'Cityscapes: with the coarse set train_extra')
        .option('--workers <n>', 'threads that decode (default: one per core, at most 8)', whole(1, 64))
        .addOption(jsonOption())
        .addHelpText(
          'after',
          '\nExamples:\n  vnet data check datasets/cityscapes --split train\n  vnet data check my-photos --size 512x512 crop',
        )
        .action(check),
    )
    .addCommand(
      new Command('convert')
        .summary('make a data set of COCO, labelme or Supervisely annotations')
        .description(
          'Paints polygons, rectangles, run lengths and masks into label images and makes a folder of images/, labels/ ' +
            'and classes.json that the other commands read. Pictures are copied. Run it again for another split.',
        )
        .argument('<source>', "COCO's JSON file, a folder of labelme's JSON files, or a Supervisely project")
        .requiredOption('--out <dir>', 'folder of the data set')
        .option('--split <name>', 'the split it becomes: train, val or test (default: none)')
        .option('--images <dir>', 'where the pictures are (default: where the annotations say)')
        .option(
          '--classes <names>',
          'classes in the order they get values, with commas; others are left out',
          names,
        )
        .option('--background <name>', 'class of pixels without a figure', 'background')
        .option('--ignore-background', 'pixels without a figure are ignored instead')
        .addOption(jsonOption())
        .addHelpText(
          'after',
          '\nExamples:\n' +
            '  vnet data convert annotations/instances_train.json --images train --out my-data --split train\n' +
            '  vnet data convert labelled-with-labelme --out my-data --classes road,car',
        )
        .action(convert),
    );

function names(text: string): string[] {
  const list = text.split(',').map((name) => name.trim());
  if (list.every(Boolean) && new Set(list).size === list.length) return list;
  throw new InvalidArgumentError('Expected different names with commas between them, such as road,car.');
}

async function convert(source: string, flags: ConvertFlags): Promise<void> {
  if (flags.split !== undefined && !/^[\w-]+$/.test(flags.split)) {
    throw new UserError(`--split ${flags.split}: expected a plain name, such as train`, 2);
  }
  let progress: Progress | undefined;
  const found = await convertAnnotations(source, {
    ...flags,
    background: flags.ignoreBackground ? null : flags.background,
    onProgress: (done, total) => {
      progress ??= new Progress('pictures', total);
      progress.update(done);
    },
  }).finally(() => progress?.stop());
  if (flags.json) process.stdout.write(`${JSON.stringify({ source, out: flags.out, ...found })}\n`);
  else {
    const left = found.skipped > 0 ? `; ${found.skipped} figures without an area were left out` : '';
    process.stdout.write(
      `${found.images} pictures from ${found.kind}, ${found.classes.length} classes (${found.classes.join(', ')}): ${flags.out}${left}\n`,
    );
    for (const failure of found.failures) process.stderr.write(`${failure}\n`);
  }
  if (found.failures.length > 0) {
    throw new UserError(
      `${source}: ${found.failures.length} of ${found.failures.length + found.images} pictures were not converted`,
    );
  }
}

async function check(dir: string, flags: CheckOptions): Promise<void> {
  const { split, trainSplit, valSplit, batch, size, extra, workers, json } = flags;
  let progress: Progress | undefined;
  let report: Report;
  try {
    report = await checkDataset(dir, {
      split,
      train: trainSplit,
      val: valSplit,
      batch,
      size,
      extra,
      workers,
      onProgress: (done, total) => {
        progress ??= new Progress('files', total);
        progress.update(done);
      },
    });
  } finally {
    progress?.stop();
  }
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : render(report));
  if (!report.fatal) return;
  const errors = report.problems.filter(({ fatal }) => fatal).length;
  throw new UserError(
    `${dir}: training would fail for ${errors === 1 ? 'one reason' : `${errors} reasons`}, named above`,
  );
}

function render({ dir, layout, splits, problems, fatal }: Report): string {
  const sorted = [...problems].sort((a, b) => Number(b.fatal) - Number(a.fatal));
  const shown = sorted.slice(0, mostProblems).map(({ message, fatal: stops }) => {
    return `${stops ? pc.red('error  ') : pc.yellow('warning')}  ${message}`;
  });
  if (problems.length > mostProblems) {
    shown.push(pc.dim(`… and ${problems.length - mostProblems} more; --json lists all`));
  }
  const verdict = fatal
    ? pc.red('Training would fail: mend the errors above.')
    : pc.green(problems.length > 0 ? 'Usable; look at the warnings.' : 'No problems found.');
  const parts = [
    `${pc.bold(dir)}: ${layout} layout`,
    ...splits.map(renderSplit),
    [...shown, verdict].join('\n'),
  ];
  return `\n${parts.join('\n\n')}\n\n`;
}

function renderSplit({ split, images, labelled, sizes, classes, ignoredPixels }: SplitReport): string {
  const total = classes.reduce((sum, { pixels }) => sum + pixels, 0) + ignoredPixels;
  const sizeList = sizes.slice(0, 4).map(({ size, images: count }) => `${count} × ${size}`);
  if (sizes.length > 4) sizeList.push(`${sizes.length - 4} other sizes`);
  const head = `${pc.bold(split)}: ${images} images, ${labelled} with labels (${sizeList.join(', ')})`;
  if (labelled === 0) return head;
  const table = formatTable(
    [
      { title: 'class' },
      { title: 'pixels', align: 'right', rank: 3 },
      { title: 'share', align: 'right' },
      { title: 'images', align: 'right' },
      { title: 'weight: ENet', align: 'right', rank: 1 },
      { title: 'median freq.', align: 'right', rank: 2 },
    ],
    classes.map(({ name, pixels, share, images: count, enetWeight, medianWeight }) => [
      name,
      formatCount(pixels),
      `${(100 * share).toFixed(2)} %`,
      String(count),
      enetWeight.toFixed(2),
      pixels > 0 ? medianWeight.toFixed(2) : '–',
    ]),
  );
  const ignored = total > 0 ? `ignored: ${((100 * ignoredPixels) / total).toFixed(2)} % of all pixels` : '';
  return `${head}\n${table}\n${pc.dim(ignored)}`;
}
