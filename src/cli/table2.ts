import { cpus } from 'node:os';
import * as Plot from '@observablehq/plot';
import { Command, Option } from 'commander';
import { compileInference } from '../compile.js';
import { writeAtomic } from '../data/files.js';
import { median } from '../median.js';
import type { Network } from '../nets/index.js';
import { networkFromConfig } from '../nets/index.js';
import { renderChart } from '../report/chart.js';
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
  readonly fps?: number;
  /** Validation mIoU of a model given, in percent. */
  readonly miou?: number;
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
  const scores = new Map<string, number>();
  for (const given of flags.models) {
    const { info } = (await openModel(given)).model;
    if (info.trained.miou !== undefined) scores.set(info.network.name, 100 * info.trained.miou);
  }
  const rows: Row[] = [];
  for (const name of flags.networks) rows.push({ ...(await measure(name, flags)), miou: scores.get(name) });

  const titles = [
    'network',
    'parameters (M)',
    'published (M)',
    'GFLOP',
    'fps here',
    'mIoU here (%)',
    'published mIoU (%)',
  ];
  const cells = rows.map(({ name, title, parameters, gflop, fps, miou }) => [
    title,
    (parameters / 1e6).toFixed(2),
    String(published[name].parameters),
    gflop.toFixed(1),
    fps?.toFixed(2) ?? '–',
    miou?.toFixed(1) ?? '–',
    published[name].miou?.toFixed(1) ?? '–',
  ]);
  const machine = `${cpus()[0].model}, ${flags.threads} threads, Node ${process.version}`;
  const notes = rows.flatMap(({ name, title }) => {
    const { note } = published[name];
    return note ? [`- ${title}: ${note}.`] : [];
  });
  const source = "Published mIoU: Cityscapes test, each network's own paper.";
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ ...flags.size, classes: 19, machine, rows: rows.map(withPublished) }, null, 2)}\n`
      : `${formatSize(flags.size)}, 19 classes; ${machine}. ${source}\n\n` +
          `${markdownTable(titles, cells)}\n\n${notes.join('\n')}\n`,
  );
  if (flags.csv) await writeAtomic(flags.csv, Buffer.from(csvTable(titles, cells)));
  if (flags.svg) await writeAtomic(flags.svg, Buffer.from(scatter(rows)));
}

const withPublished = (row: Row) => ({ ...row, published: published[row.name] });

async function measure(name: string, flags: Table2Flags): Promise<Row> {
  const network = networkFromConfig(name, { classes: 19 });
  const { scratchBytes } = defaultBackend;
  const { calls, parameters } = compileInference(network, { batch: 1, ...flags.size, scratchBytes });
  const flops = calls.reduce((sum, call) => sum + (call.phase === 'forward' ? call.flops : 0), 0);
  const fps = flags.runs > 0 ? 1000 / (await medianMs(network, flags)) : undefined;
  return { name, title: published[name].title, parameters, gflop: flops / 1e9, fps };
}

/** Of whole runs, image bytes in, label bytes out. */
async function medianMs(network: Network, { size, runs, threads }: Table2Flags): Promise<number> {
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
    return median(times);
  } finally {
    await executor.dispose();
  }
}

/** Accuracy over speed: mIoU of the models given, else each paper's own; the area of a point is its parameters. */
function scatter(rows: readonly Row[]): string {
  const points = rows.flatMap((row) => {
    const miou = row.miou ?? published[row.name].miou;
    return row.fps === undefined || miou === undefined
      ? []
      : [{ ...row, fps: row.fps, miou, own: row.miou !== undefined }];
  });
  return renderChart(
    {
      width: 640,
      height: 400,
      x: { type: 'log', label: 'frames per second, this machine', grid: true },
      y: { label: 'mIoU (%)', grid: true },
      r: { range: [3, 24] },
      marks: [
        Plot.dot(points, {
          x: 'fps',
          y: 'miou',
          r: 'parameters',
          fill: (point: { own: boolean }) => (point.own ? 'var(--accent)' : 'var(--soft)'),
          fillOpacity: 0.6,
        }),
        Plot.text(points, { x: 'fps', y: 'miou', text: 'title', dy: -12 }),
      ],
    },
    { standalone: true },
  );
}
