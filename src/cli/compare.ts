import path from 'node:path';
import { Command, Option } from 'commander';
import type { Dataset } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { isFolder, writeAtomic } from '../data/files.js';
import { UserError } from '../errors.js';
import type { Evaluation } from '../eval/evaluate.js';
import { evaluate } from '../eval/evaluate.js';
import { Predictor } from '../eval/predictor.js';
import type { Model } from '../model/model.js';
import type { ComparedImage } from '../report/comparison.js';
import { formatCount, formatDuration, formatRate, formatScore } from '../report/format.js';
import { labelsUri, photoUri } from '../report/images.js';
import type { RunRecord } from '../report/record.js';
import { bestValidation, readRun, scoreCurve, timesOf } from '../report/record.js';
import pc from './colour.js';
import type { DeviceFlags } from './device.js';
import { deviceOptions, openBackend } from './device.js';
import { openModel } from './model.js';
import { jsonOption, threadsOption, whole } from './options.js';
import { Progress } from './progress.js';
import { formatTable } from './table.js';

interface CompareOptions extends DeviceFlags {
  readonly data?: string;
  readonly split: string;
  readonly images: number;
  readonly out: string;
  readonly threads: number;
  readonly json?: boolean;
}

interface Candidate {
  readonly name: string;
  /** `best`, `last`, or the name of a model file. */
  readonly checkpoint: string;
  readonly model: Model;
  readonly run?: RunRecord;
  evaluation?: Evaluation;
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .summary('several runs side by side')
    .description(
      'Prints a table of runs (or model files) and writes it as an HTML page with their curves. With --data every ' +
        'model is scored on the same split, and the page shows input | each model | truth.',
    )
    .argument('<runs...>', 'run folders or model files (.safetensors)')
    .option('--data <dir>', 'score all of them on this data set')
    .option('--split <name>', 'which split of it', 'val')
    .addOption(new Option('--images <n>', 'images in the figure').argParser(whole(0, 100)).default(4))
    .option('--out <file>', 'the HTML page', 'comparison.html')
    .addOption(threadsOption());
  for (const option of deviceOptions()) command.addOption(option);
  return command
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  vnet compare runs/full runs/crop runs/resize --data datasets/camvid')
    .action(run);
}

async function run(given: readonly string[], options: CompareOptions): Promise<void> {
  if (!/\.html?$/i.test(options.out)) {
    throw new UserError(`--out ${options.out}: expected a file name that ends in .html`, 2);
  }
  const candidates: Candidate[] = [];
  for (const [i, name] of shortNames(given).entries()) {
    const { model, file } = await openModel(given[i]);
    const checkpoint = path.basename(file).replace(/\.safetensors$/, '');
    candidates.push({
      name,
      checkpoint,
      model,
      ...(isFolder(given[i]) ? { run: await readRun(given[i]) } : {}),
    });
  }
  const dataset = options.data ? await openDataset(options.data, { split: options.split }) : undefined;
  const images = dataset ? await scoreAll(candidates, dataset, options) : [];
  const rows = candidates.map(rowOf);
  const columns = Object.keys(rows[0]);
  const { renderComparison } = await import('../report/comparison.js');
  const html = renderComparison({
    subtitle: options.data
      ? `scored on split '${options.split}' of ${path.basename(options.data)}, ${dataset?.samples(options.split).length} images`
      : 'each with the mIoU of its own validation: data sets may differ',
    columns,
    models: candidates.map(({ name, run: record }, i) => ({
      name,
      cells: Object.values(rows[i]),
      scores: record ? scoreCurve(record) : [],
    })),
    classes: dataset?.classes ?? classesOf(candidates[0].model),
    images,
  });
  await writeAtomic(options.out, Buffer.from(html));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(candidates.map(toJson), null, 2)}\n`);
    return;
  }
  const table = formatTable(
    [
      { title: 'run' },
      ...columns.map((title, i) => ({ title, align: 'right' as const, ...(i > 2 ? { rank: i } : {}) })),
    ],
    candidates.map(({ name }, i) => [name, ...Object.values(rows[i])]),
  );
  process.stdout.write(`\n${table}\n\npage: ${pc.bold(options.out)}\n\n`);
}

const classesOf = ({ info }: Model): Pick<Dataset['classes'], 'names' | 'colours'> => ({
  names: info.classes.names,
  colours: info.classes.colours as [number, number, number][],
});

/** The last component of each path, or the whole path where that is not unique. */
function shortNames(paths: readonly string[]): string[] {
  const last = paths.map((each) => path.basename(path.resolve(each)));
  return last.map((name, i) => (last.indexOf(name) === last.lastIndexOf(name) ? name : paths[i]));
}

/** Scores every candidate and draws the first images of the split with each. */
async function scoreAll(
  candidates: readonly Candidate[],
  dataset: Dataset,
  { split, images, threads, device, gpu }: CompareOptions,
): Promise<ComparedImage[]> {
  const backend = await openBackend({ device, gpu });
  const figure: { name: string; image: string; predictions: string[]; truth: string }[] = [];
  const { colours } = dataset.classes;
  const count = dataset.samples(split).length;
  const progress = new Progress('images', count * candidates.length);
  try {
    for (const [i, candidate] of candidates.entries()) {
      const { network, weights } = candidate.model;
      const predictor = new Predictor(network, weights, { backend, threads, sizes: 1 });
      const size = candidate.run?.config.size;
      try {
        candidate.evaluation = await evaluate(predictor, dataset, {
          classes: candidate.model.info.classes,
          split,
          resize: size && size !== 'full' && 'resize' in size ? size.resize : undefined,
          onImage: async ({ sample, image, labels, prediction }, done) => {
            progress.update(i * count + done, candidate.name);
            if (done > images) return;
            const row = figure[done - 1] ?? {
              name: sample.id,
              image: await photoUri(image),
              predictions: [],
              truth: await labelsUri(labels, colours),
            };
            row.predictions.push(await labelsUri(prediction, colours));
            figure[done - 1] = row;
          },
        });
      } finally {
        await predictor.dispose();
      }
    }
  } finally {
    progress.stop();
  }
  return figure;
}

function parametersOf({ weights }: Model): number {
  return [...weights]
    .filter(([name]) => !/\.(mean|variance)$/.test(name))
    .reduce((sum, [, data]) => sum + data.length, 0);
}

/** Column titles with their cells; scores are those of `--data` where it was given. */
function rowOf({ model, checkpoint, run: record, evaluation }: Candidate): Record<string, string> {
  const best = record && bestValidation(record);
  const times = record && timesOf(record);
  const { size } = record?.config ?? {};
  return {
    'mIoU %': formatScore(evaluation ? evaluation.scores.miou : (best?.miou ?? model.info.trained.miou)),
    'pixels %': formatScore(evaluation ? evaluation.scores.pixelAccuracy : best?.pixelAccuracy),
    checkpoint: `${checkpoint}, epoch ${model.info.trained.epoch}`,
    params: formatCount(parametersOf(model)),
    'training size': size ? sizeText(size) : '–',
    'training time': times ? formatDuration(times.trainingSeconds) : '–',
    'training speed': times ? formatRate(times.imagesPerSecond) : '–',
  };
}

function sizeText(size: RunRecord['config']['size']): string {
  if (size === 'full') return 'full';
  return 'crop' in size ? `crop ${size.crop.join('×')}` : `resize ${size.resize.join('×')}`;
}

function toJson({ name, checkpoint, model, run: record, evaluation }: Candidate) {
  const { network, trained } = model.info;
  return {
    name,
    checkpoint,
    network,
    trained,
    parameters: parametersOf(model),
    ...(record ? { best: bestValidation(record) ?? null, ...timesOf(record) } : {}),
    ...(evaluation ? { scores: evaluation.scores, images: evaluation.images } : {}),
  };
}
