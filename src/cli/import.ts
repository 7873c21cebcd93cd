import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ClassTable } from '../data/classes.js';
import { plainTable, readClasses } from '../data/classes.js';
import { camvidClasses } from '../data/layouts/camvid.js';
import { cityscapesClasses } from '../data/layouts/cityscapes.js';
import { UserError } from '../errors.js';
import { countClasses } from '../interop/classes.js';
import { readPth } from '../interop/pth.js';
import type { ForeignTensor } from '../interop/pytorch.js';
import { fromPytorch } from '../interop/pytorch.js';
import { importDefaults } from '../interop/sources.js';
import { writeModel } from '../model/file.js';
import { classesOf } from '../model/format.js';
import { decodeSafetensors } from '../model/safetensors.js';
import { networkFromConfig, networkNames } from '../nets/index.js';
import { formatExact } from '../report/format.js';

interface ImportOptions {
  readonly net: string;
  readonly out: string;
  readonly classes?: string;
  readonly order?: 'rgb' | 'bgr';
  readonly mean?: Three;
  readonly std?: Three;
  readonly config: Record<string, unknown>;
}

type Three = [number, number, number];

export const importCommand = (): Command =>
  new Command('import')
    .summary('weights of PyTorch, by name')
    .description(
      'Maps a state_dict of PyTorch (.safetensors, or .pth read without executing anything in it) onto a network and ' +
        'writes a model. Every tensor that does not match is named.',
    )
    .argument('<checkpoint>', '.safetensors, .pth or .pt file')
    .addOption(
      new Option('--net <name>', 'which network it is').choices([...networkNames]).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'model file to write (.safetensors)')
    .option('--classes <table>', 'cityscapes, camvid, or a classes.json (default: by the number of classes)')
    .addOption(new Option('--order <order>', 'channels of its images').choices(['rgb', 'bgr']))
    .option('--mean <r,g,b>', 'of its images, as in (x/255 − mean)/std', three)
    .option('--std <r,g,b>', 'of its images', three)
    .option('--config <json>', 'configuration of the network, such as {"alpha3":3}', object, {})
    .addHelpText(
      'after',
      "\nWithout --order, --mean and --std, images are treated as the network's published code does.\n" +
        '\nExample:\n  vnet import espnet_p_2_q_8.pth --net espnet --out espnet.safetensors',
    )
    .action(run);

async function run(file: string, options: ImportOptions): Promise<void> {
  const tensors = await readCheckpoint(file);
  const defaults = importDefaults(options.net);
  const normalization = {
    mean: options.mean ?? defaults.normalization.mean,
    std: options.std ?? defaults.normalization.std,
  };
  const configured = options.net === 'vnet' ? options.config : { ...options.config, normalization };
  const make = (classes: number) => networkFromConfig(options.net, { ...configured, classes });
  const table = await tableFor(options.classes, countClasses(make, tensors, file));
  const network = make(table.names.length);
  const { weights, unused } = fromPytorch(network, tensors, options.order ?? defaults.order, file);
  const info = {
    network: { name: network.name, config: { ...network.config } },
    classes: classesOf(table),
    trained: { epoch: 0, step: 0 },
  };
  await writeModel(options.out, info, weights);
  const values = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  const lines = [`${options.out}: ${network.name}, ${weights.size} tensors, ${formatExact(values)} numbers`];
  if (unused.length > 0) lines.push(`not used: ${unused.join(', ')}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function readCheckpoint(file: string): Promise<ReadonlyMap<string, ForeignTensor>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch {
    throw new UserError(`${file}: cannot be read; give a .safetensors or .pth file`, 2);
  }
  return file.endsWith('.safetensors') ? decodeSafetensors(bytes, file).tensors : readPth(bytes, file);
}

/** The table asked for, or one that has as many classes; unknown classes get names of their own. */
async function tableFor(asked: string | undefined, count: number): Promise<ClassTable> {
  const known: Readonly<Record<string, ClassTable>> = {
    cityscapes: cityscapesClasses,
    camvid: camvidClasses,
  };
  if (asked !== undefined) {
    const table = Object.hasOwn(known, asked) ? known[asked] : await readClasses(asked);
    if (table.names.length === count) return table;
    throw new UserError(
      `--classes ${asked}: has ${table.names.length} classes, but the checkpoint ${count}`,
      2,
    );
  }
  const fitting = Object.values(known).find(({ names }) => names.length === count);
  if (fitting) return fitting;
  // Cityscapes with a class for everything else, as several published networks have it.
  if (count === cityscapesClasses.names.length + 1) {
    const { names, colours } = cityscapesClasses;
    return plainTable('cityscapes and others', [...names, 'other'], [...colours, [0, 0, 0]]);
  }
  return plainTable(
    'imported',
    Array.from({ length: count }, (_, i) => `class ${i}`),
  );
}

function three(text: string): Three {
  const numbers = text.split(',').map(Number);
  if (numbers.length === 3 && numbers.every(Number.isFinite)) return numbers as Three;
  throw new InvalidArgumentError('Expected three numbers such as 0.485,0.456,0.406.');
}

function object(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {}
  throw new InvalidArgumentError('Expected a JSON object such as {"alpha3":3}.');
}
