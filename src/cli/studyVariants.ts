import path from 'node:path';
import type { Command } from 'commander';
import * as v from 'valibot';
import type { Backend } from '../backends/backend.js';
import { compileInference, compileTraining } from '../compile.js';
import type { Dataset } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { isFile, writeAtomic } from '../data/files.js';
import { readImage } from '../data/image.js';
import { UserError } from '../errors.js';
import { evaluate } from '../eval/evaluate.js';
import { Predictor } from '../eval/predictor.js';
import type { Policy } from '../graph/differentiate.js';
import { median } from '../median.js';
import { loadModel } from '../model/load.js';
import { networkFromConfig } from '../nets/index.js';
import { formatBytes, formatDuration, formatScore } from '../report/format.js';
import { lossCurve, readRun } from '../report/record.js';
import { markdownTable } from '../report/table.js';
import { runFiles } from '../train/checkpoint.js';
import { train } from '../train/train.js';
import pc from './colour.js';
import { openBackend } from './device.js';
import type { PixelSize } from './options.js';
import { formatSize, sizeOption, whole } from './options.js';
import { measureTime } from './plan-time.js';
import { Progress } from './progress.js';
import { claimStudy, kept } from './studyFolder.js';
import type { RecipeFlags } from './studyOptions.js';
import { withRecipeOptions } from './studyOptions.js';
import { formatTable } from './table.js';
import { interruptSignal, TrainingDisplay } from './training.js';

/** Flags of studies that compare variants of one network at equal iterations. */
export interface VariantFlags extends RecipeFlags {
  readonly out: string;
  readonly data?: string;
  readonly iterations?: number;
  readonly size: PixelSize;
}

/** One of what is compared. */
export interface Variant {
  /** As a folder is called. */
  readonly name: string;
  readonly network: { readonly alpha: number; readonly beta: number };
  readonly policy: Policy;
}

const number = v.pipe(v.number(), v.finite());
const spreadSchema = v.object({ median: number, least: number, most: number });

const factsSchema = v.object({
  name: v.string(),
  parameters: number,
  trainingBytes: number,
  inferenceBytes: number,
  stepSeconds: spreadSchema,
  inferenceSeconds: spreadSchema,
});
const trainedSchema = v.object({
  iterations: number,
  miou: v.nullable(number),
  loss: number,
  images: number,
  /** Mean loss over epochs, as logged. */
  losses: v.array(v.object({ epoch: number, loss: number })),
});
type Facts = v.InferOutput<typeof factsSchema>;
type Trained = v.InferOutput<typeof trainedSchema>;

export interface VariantResult extends Facts {
  /** Absent where nothing was trained. */
  readonly trained?: Trained;
}

/** What every such study takes. */
export function withVariantOptions(command: Command, words: string): Command {
  command
    .requiredOption('--out <dir>', 'folder for the runs and the results')
    .option('--data <dir>', 'data set to train and score on; default: only memory and time are measured')
    .option('--iterations <n>', 'optimiser steps of each training, rounded up to whole epochs', whole(1))
    .addOption(sizeOption({ height: 512, width: 1024 }));
  return withRecipeOptions(command).addHelpText('after', words);
}

/** Measures, trains and scores each variant that was not before. @returns all, in order. */
export async function runVariants(
  study: string,
  variants: readonly Variant[],
  flags: VariantFlags,
): Promise<VariantResult[]> {
  const { data, iterations, out } = flags;
  if ((data === undefined) !== (iterations === undefined)) {
    throw new UserError('give --data and --iterations together, or neither: then nothing is trained', 2);
  }
  const backend = await openBackend(flags);
  const dataset = data === undefined ? undefined : await openDataset(data, { split: flags.trainSplit });
  if (dataset && !(await dataset.hasLabels(flags.valSplit))) {
    throw new UserError(
      `${data}: split '${flags.valSplit}' has no labels to score; choose another --val-split`,
    );
  }
  const size = dataset ? await imageSize(dataset, flags.trainSplit) : flags.size;
  const { batch, lr, seed, trainSplit, valSplit } = flags;
  await claimStudy(
    out,
    {
      study,
      data: data && path.resolve(data),
      iterations,
      size,
      batch,
      lr,
      seed,
      trainSplit,
      valSplit,
    },
    'other options',
  );
  const results: VariantResult[] = [];
  for (const [i, variant] of variants.entries()) {
    const tell = (what: string) =>
      process.stderr.write(`${pc.bold(`${i + 1}/${variants.length}`)} ${variant.name}: ${what}\n`);
    const facts = await kept(path.join(out, `${variant.name}.facts.json`), factsSchema, () => {
      tell('measuring');
      return measure(variant, size, dataset?.classes.names.length ?? 19, backend, flags);
    });
    if (!dataset) {
      results.push(facts);
      continue;
    }
    const trained = await kept(path.join(out, variant.name, 'result.json'), trainedSchema, () => {
      tell(`training, ${iterations} iterations`);
      return trainVariant(variant, dataset, backend, flags);
    });
    results.push({ ...facts, trained });
  }
  return results;
}

async function imageSize(dataset: Dataset, split: string): Promise<PixelSize> {
  const { height, width } = await readImage(dataset.samples(split)[0].image);
  return { height, width };
}

async function measure(
  { name, network: depth, policy }: Variant,
  size: PixelSize,
  classes: number,
  device: Backend,
  { batch, threads }: VariantFlags,
): Promise<Facts> {
  const network = networkFromConfig('vnet', { ...depth, classes });
  const { scratchBytes } = device;
  const step = compileTraining(network, { batch, ...size, policy, scratchBytes });
  const whole = { epochs: 1, images: batch, batch };
  const training = { mode: 'train', batch, ...size, policy, device, threads } as const;
  const inference = { mode: 'infer', batch: 1, ...size, device, threads } as const;
  return {
    name,
    parameters: step.parameters,
    trainingBytes: step.arenaBytes,
    inferenceBytes: compileInference(network, { batch: 1, ...size, scratchBytes }).arenaBytes,
    stepSeconds: (await measureTime(network, training, whole)).stepSeconds,
    inferenceSeconds: (await measureTime(network, inference, whole)).stepSeconds,
  };
}

async function trainVariant(
  { name, network, policy }: Variant,
  dataset: Dataset,
  backend: Backend,
  { data, out, iterations, batch, lr, seed, trainSplit, valSplit, threads }: VariantFlags,
): Promise<Trained> {
  const folder = path.join(out, name);
  const { last, previous } = runFiles(folder);
  const interrupt = interruptSignal();
  const display = new TrainingDisplay();
  const steps = Math.max(1, Math.floor(dataset.samples(trainSplit).length / batch));
  const result = await train({
    ...{ data: data!, out: folder, resume: isFile(last) || isFile(previous), batch, seed, threads, policy },
    ...{ epochs: Math.ceil(iterations! / steps), learningRate: lr, trainSplit, valSplit },
    network: { name: 'vnet', config: { ...network } },
    // The last weights are scored: each variant has had the same steps then.
    validateEvery: 0,
    device: backend,
    signal: interrupt.signal,
    onEvent: (event) => {
      if (event.type === 'start') interrupt.began();
      display.onEvent(event);
    },
  }).finally(() => {
    display.stop();
    interrupt.release();
  });
  if (result.interrupted) {
    throw new UserError(`stopped after step ${result.step} of '${name}', saved; the same command goes on`);
  }
  const model = await loadModel(result.last);
  const predictor = new Predictor(model.network, model.weights, { backend, threads, sizes: 1 });
  const images = dataset.samples(valSplit).length;
  const progress = new Progress('scoring', images);
  try {
    const onImage = (_: unknown, done: number) => progress.update(done);
    const { scores } = await evaluate(predictor, dataset, { split: valSplit, instances: false, onImage });
    const losses = lossCurve(await readRun(folder));
    const end = losses.slice(-Math.max(1, Math.round(losses.length / 10))).map(({ loss }) => loss);
    return { iterations: result.step, miou: scores.miou ?? null, loss: median(end), images, losses };
  } finally {
    progress.stop();
    await predictor.dispose();
  }
}

const spread = ({ median, least, most }: Facts['stepSeconds']): string =>
  `${formatDuration(median)} (${formatDuration(least)}–${formatDuration(most)})`;

/** Writes `NAME.md`, `NAME.json` and, where something was trained, `NAME.svg` with all curves; prints the table. */
export async function writeVariants(
  study: string,
  title: string,
  results: readonly VariantResult[],
  flags: VariantFlags,
): Promise<void> {
  const { out, batch, valSplit, json } = flags;
  const trained = results.flatMap(({ name, trained }) => (trained ? [{ name, ...trained }] : []));
  const titles = [
    ...[
      'variant',
      'parameters',
      'memory of a step',
      'time of a step',
      'memory, inference',
      'time, inference',
    ],
    ...(trained.length > 0 ? ['iterations', 'loss at the end', 'mIoU %, last weights'] : []),
  ];
  const rows = results.map(({ name, parameters, trainingBytes, inferenceBytes, trained, ...times }) => [
    ...[name, String(parameters), formatBytes(trainingBytes), spread(times.stepSeconds)],
    ...[formatBytes(inferenceBytes), spread(times.inferenceSeconds)],
    ...(trained ? [String(trained.iterations), trained.loss.toFixed(3), formatScore(trained.miou)] : []),
  ]);
  const scored =
    trained.length > 0
      ? ` Scored on ${trained[0].images} images of split '${valSplit}' of ${path.basename(path.resolve(flags.data!))}, the last weights of each.`
      : ` Nothing was trained; images of ${formatSize(flags.size)}.`;
  const lines = [
    `# ${title}`,
    '',
    `Batch ${batch}, ${flags.threads} threads; times are medians, with the fastest and the slowest.${scored}`,
    '',
    ...markdownTable(titles, rows),
    ...(trained.length > 0 ? ['', `![Loss of each variant](${study}.svg)`] : []),
    '',
  ];
  const to = (ending: string, text: string) =>
    writeAtomic(path.join(out, `${study}.${ending}`), Buffer.from(text));
  await to('md', lines.join('\n'));
  await to('json', `${JSON.stringify(results, null, 2)}\n`);
  if (trained.length > 0) {
    const { lossesChart } = await import('../report/losses.js');
    await to('svg', lossesChart(trained));
  }
  if (json) {
    process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    return;
  }
  const columns = titles.map((title, i) => ({ title, ...(i > 0 ? { align: 'right' as const } : {}) }));
  process.stdout.write(`\n${formatTable(columns, rows)}\n\ntable: ${path.join(out, `${study}.md`)}\n\n`);
}
