import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { processBytes } from '../backends/memory.js';
import { scratchBytes } from '../backends/wasm/table.js';
import { compileInference, compileTraining } from '../compile.js';
import { writeAtomic } from '../data/files.js';
import type { Policy } from '../graph/differentiate.js';
import { policies } from '../graph/differentiate.js';
import { networkFromConfig } from '../nets/index.js';
import { published } from '../report/published.js';
import { defaultBackend } from './device.js';
import { csvTable, markdownTable, networksOption } from './markdown.js';
import type { PixelSize } from './options.js';
import { formatSize, jsonOption, sizeOption } from './options.js';
import { Progress } from './progress.js';

interface Table3Flags {
  readonly networks: readonly string[];
  readonly size: PixelSize;
  readonly measure?: boolean;
  readonly csv?: string;
  readonly json?: boolean;
}

/** Memory at one batch size, in bytes. */
interface Memory {
  readonly batch: number;
  /** TMem: the arena of a training step. */
  readonly training: number;
  /** TVMem: the same with inference of one image beside it. */
  readonly withValidation: number;
  /** Peak of a process that runs the step on CPU cores; null where it does not fit. */
  readonly process?: number | null;
}

interface Row {
  readonly network: string;
  readonly policy: Policy;
  readonly title: string;
  readonly memory: readonly Memory[];
}

const batches = [1, 4] as const;
/** Memory of the paper's GPU. */
const limitBytes = 12e9;

export const table3Command = (): Command =>
  new Command('table3')
    .summary('all networks: memory of training, with and without validation')
    .description(
      'Prints the comparison of Table 3 of the paper as Markdown, exactly and from plans: memory of a training ' +
        'step (TMem), and with the inference of one image beside it (TVMem), at batch 1 and 4. VNet has a row for ' +
        'each policy of recomputation: what its reversible modules buy. --measure also runs every step that fits ' +
        'into this machine, on CPU cores, and prints what its process took at most.',
    )
    .addOption(networksOption())
    .addOption(sizeOption())
    .option('--measure', 'also run each step that fits, in a process of its own')
    .option('--csv <file>', 'also write comma-separated values')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  vnet table3 --csv table3.csv\n  vnet table3 --networks vnet,enet --measure',
    )
    .action(run);

async function run({ networks, size, measure, csv, json }: Table3Flags): Promise<void> {
  const planned = networks.flatMap((name) =>
    name === 'vnet'
      ? policies.map((policy) => row(name, `${published[name].title}, ${policy}`, size, policy))
      : [row(name, published[name].title, size, 'save')],
  );
  const rows = measure ? await measured(planned, size) : planned;
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...size, classes: 19, rows }, null, 2)}\n`);
  }
  const titles = [
    'network',
    ...batches.flatMap((batch) => [
      `TMem, batch ${batch} (MB)`,
      `TVMem, batch ${batch} (MB)`,
      ...(measure ? [`process, batch ${batch} (MB)`] : []),
    ]),
  ];
  const cells = rows.map(({ title, memory }) => [
    title,
    ...memory.flatMap(({ training, withValidation, process }) => [
      megabytes(training),
      megabytes(withValidation),
      ...(process === undefined ? [] : [process === null ? '–' : megabytes(process)]),
    ]),
  ]);
  if (!json) {
    process.stdout.write(
      `${formatSize(size)}, 19 classes, float32, Adam; MB of 10⁶ bytes. The paper's VNet takes 9345 MB at batch 4.\n` +
        `${measure ? 'Process: the whole process at its peak, training steps without validation; –: does not fit here.\n' : ''}` +
        `\n${markdownTable(titles, cells)}\n`,
    );
  }
  if (csv) await writeAtomic(csv, Buffer.from(csvTable(titles, cells)));
}

function row(network: string, title: string, size: PixelSize, policy: Policy): Row {
  const net = networkFromConfig(network, { classes: 19 });
  const validation = compileInference(net, { batch: 1, ...size, scratchBytes }).arenaBytes;
  const memory = batches.map((batch) => {
    const training = compileTraining(net, { batch, ...size, policy, scratchBytes }).arenaBytes;
    return { batch, training, withValidation: training + validation };
  });
  return { network, policy, title, memory };
}

/** One after the other: each may need most of the machine. */
async function measured(rows: readonly Row[], size: PixelSize): Promise<Row[]> {
  const progress = new Progress('steps', rows.length * batches.length);
  const result: Row[] = [];
  try {
    for (const entry of rows) {
      const memory: Memory[] = [];
      for (const at of entry.memory) {
        progress.update(result.length * batches.length + memory.length, `${entry.title}, batch ${at.batch}`);
        const fits = at.training + processBytes < defaultBackend.usableBytes();
        memory.push({ ...at, process: fits ? await processPeak(entry, at.batch, size) : null });
      }
      result.push({ ...entry, memory });
    }
  } finally {
    progress.stop();
  }
  return result;
}

/** Bytes of a process that runs the step: `vnet bench`. */
async function processPeak({ network, policy }: Row, batch: number, size: PixelSize): Promise<number> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const step = ['--mode', 'train', '--device', 'wasm', '--net', network, '--policy', policy, '--runs', '1'];
  const what = ['--batch', String(batch), '--size', `${size.height}x${size.width}`, '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'bench', ...step, ...what]);
  return (JSON.parse(stdout) as { peakRssBytes: number }).peakRssBytes;
}

const megabytes = (bytes: number): string =>
  bytes > limitBytes ? `${(bytes / 1e6).toFixed(0)} (does not fit in 12 GB)` : (bytes / 1e6).toFixed(0);
