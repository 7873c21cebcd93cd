import { Command } from 'commander';
import { scratchBytes } from '../backends/wasm/kernels.js';
import { compileInference, compileTraining } from '../compile.js';
import { writeAtomic } from '../data/files.js';
import type { Policy } from '../graph/differentiate.js';
import { policies } from '../graph/differentiate.js';
import { networkFromConfig } from '../nets/index.js';
import { published } from '../report/published.js';
import { csvTable, markdownTable, networksOption } from './markdown.js';
import type { PixelSize } from './options.js';
import { formatSize, sizeOption } from './options.js';

interface Table3Flags {
  readonly networks: readonly string[];
  readonly size: PixelSize;
  readonly csv?: string;
}

const batches = [1, 4] as const;
/** Memory of the paper's GPU. */
const limitBytes = 12e9;

export const table3Command = (): Command =>
  new Command('table3')
    .summary('all networks: memory of training, with and without validation')
    .description(
      'Prints the comparison of Table 3 of the paper as Markdown, exactly and from plans alone: memory of a training ' +
        'step (TMem), and with the inference of one image beside it (TVMem), at batch 1 and 4. VNet has a row for ' +
        'each policy of recomputation: what its reversible modules buy.',
    )
    .addOption(networksOption())
    .addOption(sizeOption())
    .option('--csv <file>', 'also write comma-separated values')
    .addHelpText('after', '\nExample:\n  vnet table3 --csv table3.csv')
    .action(run);

async function run({ networks, size, csv }: Table3Flags): Promise<void> {
  const titles = [
    'network',
    ...batches.flatMap((batch) => [`TMem, batch ${batch} (MB)`, `TVMem, batch ${batch} (MB)`]),
  ];
  const rows = networks.flatMap((name) =>
    name === 'vnet'
      ? policies.map((policy) => row(name, `${published[name].title}, ${policy}`, size, policy))
      : [row(name, published[name].title, size, 'save')],
  );
  process.stdout.write(
    `${formatSize(size)}, 19 classes, float32, Adam; MB of 10⁶ bytes. The paper's VNet takes 9345 MB at batch 4.\n\n` +
      `${markdownTable(titles, rows)}\n`,
  );
  if (csv) await writeAtomic(csv, Buffer.from(csvTable(titles, rows)));
}

function row(name: string, title: string, size: PixelSize, policy: Policy): string[] {
  const network = networkFromConfig(name, { classes: 19 });
  const validation = compileInference(network, { batch: 1, ...size, scratchBytes }).arenaBytes;
  const cells = batches.flatMap((batch) => {
    const training = compileTraining(network, { batch, ...size, policy, scratchBytes }).arenaBytes;
    return [megabytes(training), megabytes(training + validation)];
  });
  return [title, ...cells];
}

const megabytes = (bytes: number): string =>
  bytes > limitBytes ? `${(bytes / 1e6).toFixed(0)} (does not fit in 12 GB)` : (bytes / 1e6).toFixed(0);
