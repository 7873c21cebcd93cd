import { Command } from 'commander';
import { decodeImage, imageSize } from '../data/image.js';
import { UserError } from '../errors.js';
import { adaptStatistics } from '../eval/adapt.js';
import { readModel, writeModel } from '../model/file.js';
import { type DeviceFlags, deviceOptions, openBackend } from './device.js';
import { findInputs } from './inputs.js';
import { modelOption, openModel } from './model.js';
import { type PixelSize, pixelSize, real, threadsOption, whole } from './options.js';
import { Progress } from './progress.js';

interface AdaptFlags extends DeviceFlags {
  readonly model: string;
  readonly out: string;
  readonly data?: string;
  readonly split: string;
  readonly resize?: PixelSize;
  readonly batch?: number;
  readonly keep?: number;
  readonly threads: number;
}

export function adaptCommand(): Command {
  const command = new Command('adapt')
    .summary('a model for other light or another camera, from pictures without labels')
    .description(
      'Takes the statistics of batch normalisation from pictures of yours instead of those the model was trained on, and ' +
        'writes a new model. No labels are needed and no weights change. It may help or harm: score both where you have ' +
        'some labels.',
    )
    .argument('[inputs...]', 'pictures, or folders that are searched for pictures')
    .addOption(modelOption())
    .requiredOption('--out <file>', 'the new model, .safetensors')
    .option('--data <dir>', "instead of pictures: a data set; its labels aren't read")
    .option('--split <name>', 'which split of it', 'val')
    .option('--resize <HxW>', 'size at which pictures are shown (default: that of the first)', pixelSize)
    .option('--batch <n>', 'pictures that are taken together (default: 4)', whole(1, 256))
    .option('--keep <share>', "share of the model's own statistics that stays (default: 0)", real(0, 1))
    .addOption(threadsOption());
  for (const option of deviceOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      '\nExample:\n  vnet adapt frames-at-night --model runs/first --out night.safetensors',
    )
    .action(run);
}

async function run(given: string[], flags: AdaptFlags): Promise<void> {
  const { data, split, out, resize, batch, keep, threads } = flags;
  const { model, file } = await openModel(flags.model);
  const { sources: inputs, failures, close } = await findInputs(given, { data, split, out });
  if (failures.length > 0) throw new UserError(`${failures[0].image}: ${failures[0].error}`);
  const first = resize ?? (await imageSize(await inputs[0].read(), inputs[0].file));
  const progress = new Progress('pictures', inputs.length);
  async function* pictures() {
    for (const [i, input] of inputs.entries()) {
      yield await decodeImage(await input.read(), input.file);
      progress.update(i + 1);
    }
  }
  try {
    const size = [first.height, first.width] as const;
    const how = { backend: await openBackend(flags), threads, size, batch, keep };
    const weights = await adaptStatistics(model.network, model.weights, pictures(), how);
    const stored = await readModel(file);
    const tensors = new Map(
      [...stored.weights].map(([name, { shape }]) => [name, { shape, data: weights.get(name)! }]),
    );
    // The score was that of other statistics.
    const { miou: _, scored: __, ...trained } = stored.info.trained;
    await writeModel(out, { ...stored.info, trained }, tensors);
  } finally {
    progress.stop();
    await close();
  }
  process.stdout.write(`${out}: statistics of ${inputs.length} pictures\n`);
}
