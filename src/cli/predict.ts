import { createHash } from 'node:crypto';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Labelled } from '../batch/labeller.js';
import { endsAll, Labeller, withoutName } from '../batch/labeller.js';
import { withCoco } from '../batch/outputs/coco.js';
import { fileWriter } from '../batch/outputs/files.js';
import { outputKinds } from '../batch/outputs/kinds.js';
import { submissionWriter } from '../batch/outputs/submission.js';
import type { Writer } from '../batch/outputs/writer.js';
import { readBytes } from '../data/files.js';
import { UserError } from '../errors.js';
import { Predictor } from '../eval/predictor.js';
import type { Model } from '../model/model.js';
import { formatRate } from '../report/format.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { deviceOptions, openBackend, precisionOption } from './device.js';
import { withFlags } from './flags.js';
import type { Failure, Input, Shard } from './inputs.js';
import { findInputs, ownInputs } from './inputs.js';
import { modelOption, openModel } from './model.js';
import { netOption, real, threadsOption } from './options.js';
import { Progress } from './progress.js';
import { queueBackend, queueOptions } from './queueOptions.js';
import type { StreamFlags } from './streamFlags.js';
import { streamGiven, streamOptions } from './streams.js';
import type { ViewFlags } from './views.js';
import { fittingNote, ownSize, viewOptions, viewPolicy } from './views.js';

interface PredictFlags extends ViewFlags, DeviceFlags, PrecisionFlags {
  readonly model: string;
  readonly out: string;
  readonly alpha: number;
  readonly legend?: boolean;
  readonly overwrite?: boolean;
  readonly data?: string;
  readonly split: string;
  readonly submission?: string;
  readonly coco?: string;
  readonly write: readonly string[];
  readonly list?: string;
  readonly recursive: boolean;
  readonly shard?: Shard;
  readonly net?: string;
  readonly threads: number;
  readonly json?: boolean;
  readonly queue?: string;
  readonly chunk: number;
  readonly tries: number;
  readonly failures?: string;
}

export function predictCommand(): Command {
  const command = new Command('predict')
    .summary('segment pictures')
    .description(
      'Segments pictures and folders of pictures, and writes three PNGs for each at its own size: NAME_labels (one ' +
        'class number a pixel), NAME_colour and NAME_overlay. Pictures smaller or much larger than those the model was ' +
        'trained on are shown to it at a size that suits it (--resize own: never). A picture that cannot be read does not end the work: it is ' +
        'listed at the end. The same command goes on where it was stopped; inputs are never overwritten, and results ' +
        'never taken for inputs.',
    )
    .argument(
      '[inputs...]',
      'pictures, folders of pictures, zip and tar archives, patterns such as "shots/*.jpg"; or a video, an address (rtsp://…), or -',
    )
    .option('--list <file>', 'a file with one input a line; - is standard input')
    .addOption(new Option('--recursive', 'look into folders below folders').default(true, 'yes'))
    .option('--no-recursive', 'do not')
    .option('--shard <i/n>', 'only the i-th of n parts of the inputs, such as 3/16: for n machines', shard)
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
    .addOption(
      new Option('--write <kinds...>', outputKinds.map(({ name, help }) => `${name}: ${help}`).join('; '))
        .choices(outputKinds.map(({ name }) => name))
        .default(outputKinds.filter(({ usual }) => usual).map(({ name }) => name)),
    )
    .option('--coco <file>', 'also write all results to one file of COCO annotations (run lengths)')
    .option('--legend', 'names of the classes below the overlay')
    .option('--overwrite', 'do again what is done, and replace files of other programs')
    .option(
      '--submission <zip>',
      'write a zip for the Cityscapes test server instead (labelIds, official names)',
    )
    .addOption(threadsOption());
  for (const option of [...deviceOptions(), precisionOption(), ...viewOptions(ownSize)]) {
    command.addOption(option);
  }
  for (const option of queueOptions()) command.addOption(option.helpGroup('Many machines:'));
  for (const option of streamOptions()) command.addOption(option.helpGroup('Video:'));
  return command
    .option('--json', 'print each result as a line of JSON on stdout, as soon as it is there')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet predict street.jpg                      (with the model that comes with vnet)\n' +
        '  vnet predict --model runs/first holiday.jpg dashcam/ --out segmented --legend\n' +
        '  vnet predict photos.zip --write labels labelme --coco photos.json\n' +
        '  vnet predict archive/ --shard 3/16           (on the third of sixteen machines)\n' +
        '  vnet predict s3://street/frames --out s3://street/labels --queue redis://10.0.0.5:6379\n' +
        '  vnet predict --model runs/first --data datasets/cityscapes --submission test.zip\n' +
        '  vnet predict drive.mp4 --out segmented.mp4 --legend\n' +
        '  vnet predict --camera 0 --stats stats.jsonl',
    )
    .action(run);
}

async function run(
  given: readonly string[],
  flags: PredictFlags & StreamFlags,
  command: Command,
): Promise<void> {
  const stream = streamGiven(given, flags);
  if (flags.queue !== undefined && (stream !== undefined || flags.submission))
    throw new UserError('--queue takes pictures, and writes files: no videos, no --submission', 2);
  if (stream !== undefined) {
    const { predictStream } = await import('./predict-stream.js');
    const out = command.getOptionValueSource('out') === 'default' ? undefined : flags.out;
    return predictStream(stream, { ...flags, out });
  }
  if (flags.coco && (flags.submission || !flags.write.includes('labels'))) {
    throw new UserError('--coco goes with --write labels, from which results that are done are read back', 2);
  }
  const found = await findInputs(given, flags);
  const all = found.sources;
  const inputs = ownInputs(all, flags.shard);
  // What names no picture is told once, by the first of the machines.
  const failures = flags.shard && flags.shard.index > 1 ? [] : found.failures;
  const { model, file } = await openModel(flags.model, flags.net);
  const kinds = outputKinds.filter(({ name }) => flags.write.includes(name));
  const recipe = await recipeOf(flags, file);
  const { out, alpha, legend = false, overwrite = false } = flags;
  const files = flags.submission
    ? submissionWriter(flags.submission, inputs, model)
    : fileWriter(all, model, { ...{ out, kinds, alpha, legend, overwrite }, recipe });
  const write = flags.coco ? withCoco(files, flags.coco, all, model.info) : files;
  if (flags.queue !== undefined) {
    const { predictThroughQueue } = await import('./predict-queue.js');
    const { precision, tries, chunk } = flags;
    const view = viewPolicy(flags);
    await predictThroughQueue({
      ...{ url: flags.queue, inputs, failures, chunk, json: flags.json },
      model: await readBytes(file),
      setup: {
        ...{ backend: queueBackend(flags), precision, view, out, alpha, legend, overwrite, recipe, tries },
        kinds: kinds.map(({ name }) => name),
      },
      list: flags.failures ?? path.join(out, 'failures.jsonl'),
      after: flags.coco ? write : undefined,
    });
    await found.close();
    return;
  }
  const backend = await openBackend(flags);
  const predictor = new Predictor(model.network, model.weights, {
    backend,
    threads: flags.threads,
    precision: flags.precision,
  });
  const labeller = new Labeller(predictor, model, write, viewPolicy(flags));
  const batch = new Batch(labeller, model, write, flags, inputs.length);
  for (const failure of failures) batch.fail(failure);
  try {
    for (const input of inputs) await batch.add(input);
    if (flags.submission && batch.failures.length > 0) await write.abort?.();
    else await write.finish?.();
  } catch (error) {
    await write.abort?.();
    throw error;
  } finally {
    batch.progress.stop();
    await predictor.dispose();
    await found.close();
  }
  batch.report();
}

function shard(text: string): Shard {
  const [index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.slice(1).map(Number) ?? [0, 0];
  if (index >= 1 && index <= count) return { index, count };
  throw new InvalidArgumentError('Expected i/n with i from 1 to n, such as 3/16.');
}

/** What decides results besides the pictures, for the mark of what is done. */
async function recipeOf(flags: PredictFlags, model: string): Promise<string> {
  const { resize, window, scales, flip, precision, alpha, legend } = flags;
  const bytes = createHash('sha256')
    .update(await readBytes(model))
    .digest('hex');
  return JSON.stringify([bytes, resize, window, scales, flip, precision, alpha, legend]);
}

/** Predicts one picture after the other; what fails is kept for the end. */
class Batch {
  readonly progress: Progress;
  readonly failures: Failure[] = [];
  private predicted = 0;
  private kept = 0;
  private networkMs = 0;
  private toldSize = false;

  constructor(
    private readonly labeller: Labeller,
    private readonly model: Model,
    private readonly write: Writer,
    private readonly flags: PredictFlags,
    private readonly total: number,
  ) {
    this.progress = new Progress('images', total);
  }

  fail(failure: Failure): void {
    this.failures.push(failure);
    this.tell(failure);
  }

  /** @throws only what would meet every other picture too: a full disk, a lost GPU. */
  async add(input: Input): Promise<void> {
    const { write } = this;
    try {
      const before = await write.done?.(input);
      if (before) {
        this.kept++;
        this.tell({ image: input.file, kept: true, ...before });
      } else {
        const labelled = await this.labeller.label(input);
        this.predicted++;
        this.networkMs += labelled.ms;
        this.tellSize(input, labelled);
        const { written, ...result } = labelled;
        this.tell({ image: input.file, ...result, ...written });
      }
    } catch (error) {
      if (!(error instanceof UserError) || endsAll(error)) throw error;
      this.fail({ image: input.file, error: withFlags(withoutName(error.message, input.file)) });
    }
    // The one picture that failed is told by its error alone.
    if (this.total === 1 && this.failures.length === 1) return;
    this.progress.update(this.predicted + this.kept + this.failures.length, path.basename(input.file));
  }

  private tellSize(input: Input, labelled: Labelled): void {
    const { shownAt } = labelled;
    if (!shownAt || this.flags.resize || this.toldSize) return;
    this.toldSize = true;
    this.progress.log(
      `note: ${path.basename(input.file)}: ${fittingNote(labelled, shownAt, this.model.info)}`,
    );
  }

  private tell(result: object): void {
    if (this.flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  }

  /** @throws UserError where pictures failed: the one that did, or how many, after a list. */
  report(): void {
    const { failures, predicted, kept, flags } = this;
    const place = flags.submission ?? flags.out;
    if (!flags.json && predicted + kept > 0 && !(flags.submission && failures.length > 0)) {
      const before = kept > 0 ? `${predicted > 0 ? ', ' : ''}${kept} done before` : '';
      const now =
        predicted > 0 ? `${predicted} images (${formatRate((1000 * predicted) / this.networkMs)})` : '';
      process.stdout.write(`${now}${before}: ${place}\n`);
    }
    if (failures.length === 0) return;
    const total = predicted + kept + failures.length;
    const [{ image, error }] = failures;
    if (total === 1) throw new UserError(`${image}: ${error}`);
    for (const failure of failures) process.stderr.write(`${failure.image}: ${failure.error}\n`);
    const zip = flags.submission ? `; ${flags.submission} was not written, as it would not be whole` : '';
    throw new UserError(`${failures.length} of ${total} pictures failed, listed above${zip}`);
  }
}
