import { Command, InvalidArgumentError, Option } from 'commander';
import type { ClassTable } from '../data/classes.js';
import { plainTable, readClasses } from '../data/classes.js';
import { readBytes } from '../data/files.js';
import { camvidClasses } from '../data/layouts/camvid.js';
import { cityscapesClasses } from '../data/layouts/cityscapes.js';
import { UserError } from '../errors.js';
import { readCheckpoint } from '../interop/checkpoint.js';
import type { Match } from '../interop/match.js';
import { matchCheckpoint } from '../interop/match.js';
import { fromPytorch } from '../interop/pytorch.js';
import { importDefaults } from '../interop/sources.js';
import { tensorsOf } from '../interop/tensors.js';
import { writeModel } from '../model/file.js';
import { classesOf, decodeModel, isOwn } from '../model/format.js';
import type { Model } from '../model/model.js';
import { modelOf } from '../model/model.js';
import { networkFromConfig, networkNames } from '../nets/index.js';
import { formatExact } from '../report/format.js';

interface ImportOptions {
  readonly net?: string;
  readonly out: string;
  readonly classes?: string;
  readonly order?: 'rgb' | 'bgr';
  readonly mean?: Three;
  readonly std?: Three;
  readonly config: Record<string, unknown>;
  readonly ema?: boolean;
  readonly ignoreClass?: string[];
}

type Three = [number, number, number];

export const importCommand = (): Command =>
  new Command('import')
    .summary('weights of PyTorch, by name')
    .description(
      'Maps the weights of a PyTorch checkpoint (.safetensors; .pth, .pt or .ckpt, read without executing anything in ' +
        'it) onto a network and writes a model. Prefixes (module., model., …) and dictionaries around the weights are ' +
        'found, numbers of layers and channels come from the shapes; every tensor that does not match is named.',
    )
    .argument('<checkpoint>', '.safetensors, .pth, .pt or .ckpt file')
    .addOption(
      new Option('--net <name>', 'which network it is (default: the one whose names match)').choices([
        ...networkNames,
      ]),
    )
    .requiredOption('--out <file>', 'model file to write (.safetensors)')
    .option('--classes <table>', 'cityscapes, camvid, or a classes.json (default: by the number of classes)')
    .option(
      '--ignore-class <classes...>',
      'outputs that are no class of the data set, by name or number: neither scored nor submitted (default: other)',
    )
    .option('--ema', 'take the averaged weights (EMA) that the file has beside the trained ones')
    .addOption(new Option('--order <order>', 'channels of its images').choices(['rgb', 'bgr']))
    .option('--mean <r,g,b>', 'of its images, as in (x/255 − mean)/std', three)
    .option('--std <r,g,b>', 'of its images', three)
    .option('--config <json>', 'configuration of the network that its shapes do not say', object, {})
    .addHelpText(
      'after',
      "\nWithout --order, --mean and --std, images are treated as the network's published code does.\n" +
        'Shapes do not say dilations: give them with --config, such as {"dilations2":[[1,2]]}.\n' +
        '\nExamples:\n  vnet import espnet_p_2_q_8.pth --net espnet --out espnet.safetensors\n' +
        '  vnet import last.ckpt --out model.safetensors --classes camvid --ema',
    )
    .action(run);

async function run(file: string, options: ImportOptions): Promise<void> {
  const bytes = await readBytes(file);
  if (isOwn(bytes, file)) return copyOwn(modelOf(decodeModel(bytes, file), file), file, options);
  const checkpoint = readCheckpoint(bytes, file);
  const match = matchCheckpoint(checkpoint, file, {
    network: options.net,
    config: options.config,
    average: options.ema ?? false,
  });
  const network = normalized(match, options, checkpoint.config !== undefined);
  const table = await tableFor(options.classes, network.classes);
  const ignored = ignoredOutputs(options.ignoreClass, table);
  const defaults = checkpoint.config ? 'rgb' : importDefaults(network.name).order;
  const { weights, unused } = fromPytorch(network, match.tensors, options.order ?? defaults, file);
  const info = {
    network: { name: network.name, config: { ...network.config } },
    classes: { ...classesOf(table), ...(ignored.length > 0 ? { ignored } : {}) },
    trained: { epoch: 0, step: 0 },
  };
  await writeModel(options.out, info, weights);
  const values = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  const lines = [
    `${options.out}: ${network.name}, ${weights.size} tensors, ${formatExact(values)} numbers, ${table.names.length} classes (${table.name})${ignored.length > 0 ? `, of which ${ignored.map((i) => table.names[i]).join(', ')} is not scored` : ''}`,
  ];
  if (match.prefix) lines.push(`taken from ${match.prefix.replace(/\.$/, '')}`);
  for (const other of match.others)
    lines.push(`also in the file: ${other.replace(/\.$/, '') || 'the same at the top'}`);
  const shape = Object.entries(network.config).filter(
    ([key]) => key !== 'classes' && key !== 'normalization',
  );
  lines.push(`configuration: ${JSON.stringify(Object.fromEntries(shape))}`);
  if (unused.length > 0)
    lines.push(`not used, ${unused.length} tensors:`, ...unused.map((name) => `  ${name}`));
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** A model of this program, which needs no mapping: the same weights, perhaps under other classes. */
async function copyOwn(
  { info, network, weights }: Model,
  file: string,
  options: ImportOptions,
): Promise<void> {
  const { net, classes, ignoreClass, config, ema, order, mean, std, out } = options;
  if (net !== undefined && net !== network.name) {
    throw new UserError(`${file}: is a model of ${network.name}, not of ${net}`, 2);
  }
  for (const [flag, value] of Object.entries({ order, mean, std, ema })) {
    if (value === undefined) continue;
    throw new UserError(`--${flag}: has no meaning for ${file}, which is a model of this program already`, 2);
  }
  if (Object.keys(config).length > 0) {
    throw new UserError(`--config: has no meaning for ${file}, which says its configuration`, 2);
  }
  const table = classes === undefined ? undefined : await tableFor(classes, network.classes);
  const named = table ? classesOf(table) : info.classes;
  const ignored = ignoreClass ? ignoredOutputs(ignoreClass, named) : (info.classes.ignored ?? []);
  const shapes = tensorsOf(network);
  const tensors = new Map([...weights].map(([name, data]) => [name, { shape: shapes.get(name)!, data }]));
  await writeModel(
    out,
    { ...info, classes: { ...named, ...(ignored.length > 0 ? { ignored } : {}) } },
    tensors,
  );
  process.stdout.write(
    `${out}: ${network.name}, a model of this program; ${tensors.size} tensors, ${named.names.length} classes (${named.name})\n`,
  );
}

/** The network with the normalisation of its images: as asked, or as the published code has it. */
function normalized({ network }: Match, options: ImportOptions, own: boolean): Match['network'] {
  const asked = options.mean !== undefined || options.std !== undefined;
  if (!('normalization' in network.config)) {
    if (asked)
      throw new UserError(`${network.name} has a normalisation of its own: leave --mean and --std away`, 2);
    return network;
  }
  if (own && !asked) return network;
  const defaults = importDefaults(network.name).normalization;
  const normalization = { mean: options.mean ?? defaults.mean, std: options.std ?? defaults.std };
  return networkFromConfig(network.name, { ...network.config, normalization });
}

/** Name of the output that stands for no class. */
const other = 'other';

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
  // A class for everything else, as several published networks have it.
  const besides = Object.values(known).find(({ names }) => names.length + 1 === count);
  if (besides) {
    const { name, names, colours, toRaw } = besides;
    const table = plainTable(`${name} and others`, [...names, other], [...colours, [0, 0, 0]]);
    return { ...table, toRaw: [...toRaw, 0] };
  }
  return plainTable(
    'imported',
    Array.from({ length: count }, (_, i) => `class ${i}`),
  );
}

/** Numbers of the outputs that stand for no class. */
function ignoredOutputs(
  asked: readonly string[] | undefined,
  { names }: Pick<ClassTable, 'names'>,
): number[] {
  if (!asked) return names.includes(other) ? [names.indexOf(other)] : [];
  return asked.map((each) => {
    const found = /^\d+$/.test(each) ? Number(each) : names.indexOf(each);
    if (found >= 0 && found < names.length) return found;
    throw new UserError(`--ignore-class ${each}: is no class; they are ${names.join(', ')}`, 2);
  });
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
