import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { wasmBackend } from '../backends/wasm/index.js';
import { largePages } from '../backends/wasm/runtime/largePages.js';
import type { DeviceInfo } from '../backends/webgpu/info.js';
import type { TunedGpu } from '../backends/webgpu/tuning/result.js';
import { refusals, tunedRows, tunedTitles, tunedToJson } from '../backends/webgpu/tuning/result.js';
import { compileInference, compileTraining } from '../compile.js';
import { listGpus, tuneGpu } from '../device.js';
import { UserError } from '../errors.js';
import { networkFromConfig } from '../nets/index.js';
import { formatBytes } from '../report/format.js';
import pc from './colour.js';
import type { PrecisionFlags } from './device.js';
import { trainingPrecisionOption } from './device.js';
import { largePagesText } from './largePages.js';
import type { PixelSize } from './options.js';
import { jsonOption, netOption, sizeOption, whole } from './options.js';
import { Progress } from './progress.js';
import { formatTable } from './table.js';

interface DevicesFlags extends PrecisionFlags {
  readonly json?: boolean;
  readonly tune?: boolean;
  readonly gpu?: string;
  readonly size: PixelSize;
  readonly batch?: number;
  readonly train?: boolean;
  readonly net: string;
  readonly classes: number;
  readonly seconds: number;
}

export const devicesCommand = (): Command =>
  new Command('devices')
    .summary('the GPUs that WebGPU finds, and their fastest kernels')
    .description(
      'Lists the adapters that --device webgpu and --gpu NAME can use, with their features and limits. Software ' +
        'adapters run on the CPU and are slow; they are taken only where --gpu names them.\n\n' +
        'With --tune it measures on one of them, for one network and size, every way that each kernel can go, and ' +
        "remembers the fastest in the user's cache folder: whatever opens that GPU next goes those ways.",
    )
    .option('--tune', 'measure the candidates of all kernels and remember the fastest')
    .option('--gpu <name>', 'with --tune: a GPU by part of its name (default: the first real one)')
    .addOption(sizeOption())
    .addOption(
      new Option('--batch <n>', 'with --tune: images per run (default: 1; 4 to train)').argParser(
        whole(1, 4096),
      ),
    )
    .option('--train', 'with --tune: a training step too, not inference alone')
    .addOption(trainingPrecisionOption())
    .addOption(netOption().default('vnet'))
    .addOption(new Option('--classes <n>', 'classes of the head').argParser(whole(2, 255)).default(19))
    .option(
      '--seconds <n>',
      'with --tune: what is not measured by then keeps its default',
      whole(1, 86400),
      60,
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet devices --json\n' +
        '  vnet devices --tune --size 1024x2048 --precision f16\n' +
        '  vnet devices --tune --train --batch 4 --size 512x1024 --seconds 120\n' +
        '  vnet devices --tune --gpu swiftshader --size 64x96 --json',
    )
    .action(async (flags: DevicesFlags) => {
      if (flags.tune) return tune(flags);
      if (flags.train || flags.gpu !== undefined) {
        throw new UserError(`--${flags.train ? 'train' : 'gpu'}: has a meaning only with --tune`, 2);
      }
      const gpus = await listGpus();
      if (flags.json) process.stdout.write(`${JSON.stringify(gpus, null, 2)}\n`);
      else process.stdout.write(`\n${[...gpus.map(render), await cpu(gpus)].join('\n\n')}\n\n`);
    });

async function tune(flags: DevicesFlags): Promise<void> {
  const { size, precision, train, batch, seconds, json } = flags;
  const network = networkFromConfig(flags.net, { classes: flags.classes });
  let progress: Progress | undefined;
  let total = 0;
  try {
    const tuned = await tuneGpu(flags.gpu, {
      seconds,
      plans(scratchBytes) {
        const common = { ...size, precision, scratchBytes };
        const inference = compileInference(network, { ...common, batch: train ? 1 : (batch ?? 1) });
        return train ? [inference, compileTraining(network, { ...common, batch: batch ?? 4 })] : [inference];
      },
      onProgress(done, all, call) {
        total = all;
        progress ??= new Progress('kernels', all);
        progress.update(done, call);
      },
    });
    progress?.update(total);
    progress?.stop();
    process.stdout.write(
      json ? `${JSON.stringify({ ...tunedToJson(tuned), file: tuned.file }, null, 2)}\n` : renderTuned(tuned),
    );
  } finally {
    progress?.stop();
  }
}

function renderTuned(tuned: TunedGpu): string {
  const { device, races, seconds, file } = tuned;
  const right = new Set<string>(['calls', 'ms', 'GB/s', 'GFLOP/s']);
  const ranks: Readonly<Record<string, number>> = { calls: 4, result: 3, 'GB/s': 2, 'GFLOP/s': 1 };
  const columns = tunedTitles.map((title) => ({
    title,
    ...(right.has(title) ? { align: 'right' as const } : {}),
    ...(title in ranks ? { rank: ranks[title] } : {}),
  }));
  const missed = races.filter(({ entries }) => entries.length === 0).length;
  const kept = `${races.length - missed} kernels measured in ${seconds.toFixed(1)} s, remembered in ${file}`;
  const notes = [
    ...refusals(tuned).map((text) => pc.yellow(`refused: ${text}`)),
    ...(missed > 0 ? [pc.yellow(`${missed} not measured, the time was up: give more --seconds`)] : []),
    pc.dim(races.length === 0 ? 'no kernel has more than one candidate here' : kept),
  ];
  const table = races.length === 0 ? [] : [formatTable(columns, tunedRows(tuned)), ''];
  return `\n${[pc.bold(device), ...table, ...notes].join('\n')}\n\n`;
}

function render({ name, vendor, architecture, isSoftware, features, limits }: DeviceInfo): string {
  const kind = isSoftware ? pc.yellow('software adapter') : pc.green('GPU');
  const rows = [
    ['type', `${kind}, vendor ${vendor || 'unknown'}, architecture ${architecture || 'unknown'}`],
    ['largest buffer', formatBytes(limits.maxBufferSize)],
    ['largest binding', formatBytes(limits.maxStorageBufferBindingSize)],
    ['bindings', `${limits.maxStorageBuffersPerShaderStage} storage buffers a shader`],
    [
      'workgroup',
      `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${formatBytes(limits.maxComputeWorkgroupStorageSize)} of shared memory`,
    ],
    ['features', features.join(', ')],
  ];
  return [pc.bold(name), ...rows.map(([title, value]) => `  ${title.padEnd(16)}${value}`)].join('\n');
}

async function cpu(gpus: readonly DeviceInfo[]): Promise<string> {
  const { bits, why } = await wasmBackend.vectors!();
  const real = gpus.find(({ isSoftware }) => !isSoftware);
  const choice = real ? `--device auto takes ${real.name}` : '--device auto takes the CPU: no real GPU here';
  const pages = await largePages();
  const lines = [
    `${pc.bold('CPU')}: --device wasm, ${availableParallelism()} threads, vectors of ${bits} bits (${why})`,
    ...(pages ? [`  ${largePagesText[pages]}`] : []),
    pc.dim(choice),
  ];
  return lines.join('\n');
}
