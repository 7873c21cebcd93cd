import { cpus } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { compileInference } from '../compile.js';
import { writeAtomic } from '../data/files.js';
import { UserError } from '../errors.js';
import { median } from '../median.js';
import type { Network } from '../nets/index.js';
import { networkFromConfig } from '../nets/index.js';
import { published } from '../report/published.js';
import { compile } from '../run.js';
import { defaultBackend } from './device.js';
import { csvTable, markdownTable, networksOption } from './markdown.js';
import { openModel } from './model.js';
import type { PixelSize } from './options.js';
import { formatSize, jsonOption, sizeOption, threadsOption, whole } from './options.js';

interface Table2Flags {
  readonly networks: readonly string[];
  readonly size: PixelSize;
  readonly runs: number;
  readonly threads: number;
  readonly models: readonly string[];
  readonly csv?: string;
  readonly svg?: string;
  readonly json?: boolean;
}

interface Row {
  readonly name: string;
  readonly title: string;
  readonly parameters: number;
  readonly gflop: number;
  /** Frames per second of each timed run, slowest first; none without timing. */
  readonly fps: readonly number[];
  readonly scored?: Scored;
}

/** A model given, and what its mIoU rests on. */
interface Scored {
  readonly model: string;
  /** Percent. */
  readonly miou: number;
  readonly on: string;
  readonly checkpoint: string;
}

export const table2Command = (): Command =>
  new Command('table2')
    .summary('all networks: parameters, work, speed on this machine, accuracy')
    .description(
      'Prints the comparison of Table 2 of the paper as Markdown: parameters and GFLOP from the plan, frames per ' +
        'second measured on this machine (image bytes in, label bytes out), mIoU of the models given, beside the ' +
        "figures of each network's own paper. --svg draws accuracy over speed (Figure 1).",
    )
    .addOption(networksOption())
    .addOption(sizeOption())
    .addOption(
      new Option('--runs <n>', 'timed runs, the median counts; 0: no timing')
        .argParser(whole(0, 1000))
        .default(5),
    )
    .option('--models <models...>', 'models or run folders whose mIoU belongs in the table', [])
    .addOption(threadsOption())
    .option('--csv <file>', 'also write comma-separated values')
    .option('--svg <file>', 'also draw mIoU over frames per second')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  vnet table2 --models runs/vnet runs/enet --csv table2.csv --svg figure1.svg',
    )
    .action(run);

async function run(flags: Table2Flags): Promise<void> {
  if (flags.svg && flags.runs === 0) {
    throw new UserError('--svg: draws over the measured speed; --runs must not be 0', 2);
  }
  const scored: (Scored & { network: string })[] = [];
  for (const given of flags.models) {
    const { model, file } = await openModel(given);
    const { network, trained, classes } = model.info;
    if (trained.miou === undefined) {
      throw new UserError(`${file}: holds no mIoU, as it was never validated; give a model that was`);
    }
    const { scored: on } = trained;
    scored.push({
      ...{ network: network.name, model: given, miou: 100 * trained.miou },
      on: on
        ? `split '${on.split}' of ${on.data}, ${on.images} images`
        : `validation images of ${classes.name}`,
      checkpoint: `${path.basename(file).replace(/\.safetensors$/, '')}, epoch ${trained.epoch}`,
    });
  }
  const rows: Row[] = [];
  for (const name of flags.networks) {
    const measured = await measure(name, flags);
    const own = scored.filter(({ network }) => network === name);
    // Two models of a network are two rows.
    for (const each of own.length > 0 ? own : [undefined]) rows.push({ ...measured, scored: each });
  }

  const titles = [
    'network',
    'parameters (M)',
    'published (M)',
    'GFLOP',
    'fps here',
    'published fps',
    'mIoU here (%)',
    'published mIoU (%)',
  ];
  const marks = rows.flatMap(({ scored }) => (scored ? [scored] : []));
  const cells = rows.map(({ name, title, parameters, gflop, fps, scored }) => [
    title,
    (parameters / 1e6).toFixed(2),
    String(published[name].parameters),
    gflop.toFixed(1),
    spread(fps),
    String(published[name].fps.value),
    scored ? `${scored.miou.toFixed(1)} [${marks.indexOf(scored) + 1}]` : '–',
    String(published[name].miou),
  ]);
  const machine = `${cpus()[0].model}, ${flags.threads} threads, Node ${process.version}`;
  const notes = [
    ...marks.map(
      ({ model, on, checkpoint }, i) =>
        `- [${i + 1}] ${model} (${checkpoint}): ${on}. Not to be compared with the Cityscapes test scores beside it.`,
    ),
    ...flags.networks.map((name) => {
      const { title, fps, note } = published[name];
      return `- ${title}: published fps at ${fps.at}${note ? `; ${note}` : ''}.`;
    }),
  ];
  const source =
    "Published: each network's own paper, mIoU on Cityscapes test. fps here: median of the runs, slowest and fastest in brackets.";
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ ...flags.size, classes: 19, machine, rows: rows.map(toJson) }, null, 2)}\n`
      : `${formatSize(flags.size)}, 19 classes; ${machine}. ${source}\n\n` +
          `${markdownTable(titles, cells)}\n\n${notes.join('\n')}\n`,
  );
  if (flags.csv) await writeAtomic(flags.csv, Buffer.from(csvTable(titles, cells)));
  if (flags.svg) await writeAtomic(flags.svg, Buffer.from(await figure(rows)));
}

const toJson = ({ fps, ...row }: Row) => ({
  ...row,
  ...(fps.length > 0 ? { fps: median(fps), fpsRange: [fps[0], fps.at(-1)] } : {}),
  published: published[row.name],
});

/** `4.95 (4.80–5.02)`. */
const spread = (fps: readonly number[]): string =>
  fps.length === 0
    ? '–'
    : `${median(fps).toFixed(2)} (${fps[0].toFixed(2)}–${fps[fps.length - 1].toFixed(2)})`;

async function measure(name: string, flags: Table2Flags): Promise<Omit<Row, 'scored'>> {
  const network = networkFromConfig(name, { classes: 19 });
  const { scratchBytes } = defaultBackend;
  const { calls, parameters } = compileInference(network, { batch: 1, ...flags.size, scratchBytes });
  const flops = calls.reduce((sum, call) => sum + (call.phase === 'forward' ? call.flops : 0), 0);
  const times = flags.runs > 0 ? await timesOf(network, flags) : [];
  const fps = times.map((ms) => 1000 / ms).sort((a, b) => a - b);
  return { name, title: published[name].title, parameters, gflop: flops / 1e9, fps };
}

/** Milliseconds of whole runs, image bytes in, label bytes out. */
async function timesOf(network: Network, { size, runs, threads }: Table2Flags): Promise<number[]> {
  const how = { mode: 'infer', batch: 1, ...size, device: defaultBackend, threads } as const;
  const executor = await compile(network, how);
  try {
    const images = new Uint8Array(3 * size.height * size.width).map((_, i) => (i * 7919) >> 5);
    const times: number[] = [];
    // The first run touches all memory and does not count.
    for (let i = 0; i <= runs; i++) {
      const start = performance.now();
      executor.write('images', images);
      await executor.run('forward');
      await executor.read('prediction');
      if (i > 0) times.push(performance.now() - start);
    }
    return times;
  } finally {
    await executor.dispose();
  }
}

/** Accuracy over speed: mIoU of the models given, else each paper's own. */
async function figure(rows: readonly Row[]): Promise<string> {
  const points = rows.flatMap(({ name, title, parameters, fps, scored }) =>
    fps.length === 0
      ? []
      : [
          {
            title: scored ? `${title}, ${path.basename(scored.model)}` : title,
            ...{ parameters, fps: median(fps), miou: scored?.miou ?? published[name].miou },
            own: scored !== undefined,
          },
        ],
  );
  const { scatterChart } = await import('../report/scatter.js');
  return scatterChart(points);
}
