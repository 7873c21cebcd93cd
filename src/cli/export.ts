import { statSync } from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
import { writeAtomic } from '../data/files.js';
import { UserError } from '../errors.js';
import { exportOnnx } from '../interop/onnx.js';
import { toPytorch } from '../interop/pytorch.js';
import { readModel, writeModel } from '../model/file.js';
import { encodeSafetensors } from '../model/safetensors.js';
import { formatBytes } from '../report/format.js';
import { openModel } from './model.js';
import type { PixelSize } from './options.js';
import { formatSize, pixelSize } from './options.js';

interface ExportOptions {
  readonly onnx?: string;
  readonly safetensors?: string;
  readonly model?: string;
  readonly f16?: boolean;
  readonly size?: PixelSize;
  readonly output: 'labels' | 'logits';
}

export const exportCommand = (): Command =>
  new Command('export')
    .summary('a model for other programs: ONNX, or a state_dict of PyTorch')
    .description(
      'Writes a model as ONNX (operators of version 18; input images: uint8 N×H×W×3 RGB, normalised inside), as ' +
        'safetensors with the names and layouts of PyTorch, or alone, without the state of its training.',
    )
    .argument('<model>', 'model file (.safetensors) or run folder')
    .option('--onnx <file>', 'write an ONNX model')
    .option('--safetensors <file>', 'write a state_dict of PyTorch')
    .option('--model <file>', 'write a model of this program without the state of its training')
    .option('--f16', 'weights of --model in float16, half the size')
    .addOption(
      new Option('--size <HxW>', 'one image of this size (default: any batch and size)').argParser(pixelSize),
    )
    .addOption(
      new Option('--output <what>', 'labels: uint8 N×H×W; logits: float N×classes×h×w of the head')
        .choices(['labels', 'logits'])
        .default('labels'),
    )
    .addHelpText(
      'after',
      '\nNames in the state_dict: convolutions keep theirs; batch norm is weight, bias, running_mean, running_var;\n' +
        'a block with batch norm and PReLU has them as bn and act.\n' +
        '\nExamples:\n  vnet export runs/first --onnx vnet.onnx --size 1024x2048\n' +
        '  vnet export runs/first --model vnet.safetensors --f16',
    )
    .action(run);

async function run(given: string, options: ExportOptions): Promise<void> {
  const { onnx, safetensors, model: copy, f16, size, output } = options;
  if (!onnx && !safetensors && !copy)
    throw new UserError('nothing to write: give --onnx FILE, --safetensors FILE or --model FILE', 2);
  const { model, file } = await openModel(given);
  const { network, weights } = model;
  if (onnx) {
    const { name, names, colours } = model.info.classes;
    const metadata = {
      dataset: name,
      classes: JSON.stringify(names),
      colours: JSON.stringify(colours),
    };
    const bytes = exportOnnx(network, weights, { ...(size ?? { dynamic: true }), output, metadata });
    await writeAtomic(onnx, bytes);
    const shown = size ? formatSize(size) : 'any size';
    process.stdout.write(`${onnx}: ${network.name}, ${shown}, ${output}, ${formatBytes(bytes.length)}\n`);
  }
  if (copy) {
    if (path.resolve(copy) === path.resolve(file)) {
      throw new UserError(`--model ${copy}: is the model itself; choose another file`, 2);
    }
    const stored = await readModel(file);
    await writeModel(copy, stored.info, stored.weights, f16 ? 'F16' : 'F32');
    process.stdout.write(`${copy}: ${network.name}, ${formatBytes(statSync(copy).size)}\n`);
  }
  if (safetensors) {
    const tensors = toPytorch(network, weights);
    const bytes = encodeSafetensors(tensors, {
      network: network.name,
      config: JSON.stringify(network.config),
    });
    await writeAtomic(safetensors, bytes);
    process.stdout.write(`${safetensors}: ${tensors.size} tensors, ${formatBytes(bytes.length)}\n`);
  }
}
