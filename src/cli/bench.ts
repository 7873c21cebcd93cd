import { cpus } from 'node:os';
import { Command, Option } from 'commander';
import type { Executor } from '../backends/backend.js';
import { Rng } from '../data/rng.js';
import type { Policy } from '../graph/differentiate.js';
import { policies } from '../graph/differentiate.js';
import type { Phase } from '../ir/graph.js';
import { sizeOf } from '../ir/value.js';
import { median } from '../median.js';
import { networkFromConfig } from '../nets/index.js';
import { formatBytes, formatRate } from '../report/format.js';
import { compile } from '../run.js';
import pc from './colour.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { deviceOptions, openBackend, precisionOption } from './device.js';
import type { PixelSize } from './options.js';
import { formatSize, jsonOption, netOption, sizeOption, threadsOption, whole } from './options.js';
import type { Peaks } from './roofline.js';
import { bytesMoved, measurePeaks, roofOf } from './roofline.js';
import { formatTable } from './table.js';

interface BenchFlags extends DeviceFlags, PrecisionFlags {
  readonly size: PixelSize;
  readonly batch: number;
  readonly mode: 'train' | 'infer';
  readonly policy: Policy;
  readonly net: string;
  readonly classes: number;
  readonly threads: number;
  readonly runs: number;
  readonly profile?: boolean;
  readonly json?: boolean;
}

export function benchCommand(): Command {
  const command = new Command('bench')
    .summary('how fast this machine is')
    .description(
      'Times inference (image bytes in, label bytes out) or whole training steps with random weights and images. ' +
        '--profile adds every kernel with its rates and its roofline bound.',
    )
    .addOption(sizeOption())
    .addOption(new Option('--batch <n>', 'images per run').argParser(whole(1, 4096)).default(1))
    .addOption(
      new Option('--mode <mode>', 'inference or a training step')
        .choices(['infer', 'train'])
        .default('infer'),
    )
    .addOption(
      new Option('--policy <policy>', 'what a training step recomputes')
        .choices(policies)
        .default('reversible'),
    )
    .addOption(netOption().default('vnet'))
    .addOption(new Option('--classes <n>', 'classes of the head').argParser(whole(2, 255)).default(19))
    .addOption(threadsOption())
    .addOption(new Option('--runs <n>', 'timed runs; the median counts').argParser(whole(1, 1000)).default(9))
    .addOption(new Option('--profile', 'also time every kernel'));
  for (const option of [...deviceOptions(), precisionOption()]) command.addOption(option);
  return command
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  vnet bench --size 1024x2048 --mode infer --profile')
    .action(run);
}

/** One kernel call of a run. */
interface KernelTime {
  readonly label: string;
  readonly op: string;
  /** Which of several ways the backend takes. */
  readonly algorithm?: string;
  readonly ms: number;
  /** Of the sum over all kernels. */
  readonly share: number;
  readonly gflops: number;
  readonly gbytes: number;
  /** Least milliseconds that the CPU's peaks allow, and which of them sets it; absent on a GPU. */
  readonly boundMs?: number;
  readonly boundBy?: 'compute' | 'memory';
}

interface BenchResult {
  readonly flags: BenchFlags;
  /** The GPU, or the processor. */
  readonly device: string;
  /** Bits of the CPU's vectors. */
  readonly vectors?: number;
  readonly ms: readonly number[];
  readonly medianMs: number;
  readonly flops: number;
  readonly arenaBytes: number;
  readonly peakRssBytes: number;
  readonly kernels?: readonly KernelTime[];
  readonly peaks?: Peaks;
}

async function run(flags: BenchFlags): Promise<void> {
  const { size, batch, mode, policy, precision, threads, runs } = flags;
  const backend = await openBackend(flags);
  const network = networkFromConfig(flags.net, { classes: flags.classes });
  const executor = await compile(network, {
    ...{ mode, batch, ...size, precision, device: backend, threads },
    ...(mode === 'train' ? { policy } : {}),
  });
  try {
    const once = feed(executor, mode, flags.classes);
    for (let i = 0; i < Math.min(2, runs); i++) await once();
    const ms: number[] = [];
    for (let i = 0; i < runs; i++) {
      const start = performance.now();
      await once();
      ms.push(performance.now() - start);
    }
    const phases = phasesOf(mode);
    const peakRssBytes = 1024 * process.resourceUsage().maxRSS;
    const peaks = flags.profile && backend.name === 'wasm' ? await measurePeaks(backend, threads) : undefined;
    const result: BenchResult = {
      flags,
      device: backend.device ?? cpus()[0].model,
      ...(backend.vectors ? { vectors: (await backend.vectors()).bits } : {}),
      ms,
      medianMs: median(ms),
      flops: callsOf(executor, phases).reduce((sum, call) => sum + call.flops, 0),
      arenaBytes: executor.plan.arenaBytes,
      peakRssBytes,
      ...(peaks ? { peaks } : {}),
      ...(flags.profile
        ? {
            kernels: await kernelTimes(executor, phases, peaks, runs),
          }
        : {}),
    };
    process.stdout.write(flags.json ? `${JSON.stringify(toJson(result), null, 2)}\n` : `${render(result)}\n`);
  } finally {
    await executor.dispose();
  }
}

const phasesOf = (mode: BenchFlags['mode']): Phase[] =>
  mode === 'infer' ? ['forward'] : ['forward', 'backward', 'update'];

const callsOf = ({ plan }: Executor, phases: readonly Phase[]) =>
  plan.calls.filter(({ phase }) => phases.includes(phase));

/** One run as a user sees it: bytes are written, labels or the loss are read back. */
function feed(executor: Executor, mode: BenchFlags['mode'], classes: number): () => Promise<void> {
  const { slots } = executor.plan;
  const rng = Rng.of(7);
  const random = (slot: string, below: number) =>
    Uint8Array.from({ length: sizeOf(slots[slot].shape) }, () => rng.int(below));
  const images = random('images', 256);
  if (mode === 'infer') {
    return async () => {
      executor.write('images', images);
      await executor.run('forward');
      await executor.read('prediction');
    };
  }
  const labels = random('labels', classes);
  // Learning rate 0: the weights stay what they are, so that every run does the same.
  const hyper = Float32Array.of(0, 0.9, 0.999, 1e-8, 0, 0, 0.1, 0.001);
  return async () => {
    executor.write('images', images);
    executor.write('labels', labels);
    executor.write('hyper', hyper);
    await executor.run('forward', 'backward', 'update');
    await executor.read('loss');
  };
}

async function kernelTimes(
  executor: Executor,
  phases: Phase[],
  peaks: Peaks | undefined,
  runs: number,
): Promise<KernelTime[]> {
  const profiles: Float64Array[] = [];
  for (let i = 0; i < runs; i++) profiles.push(await executor.profile(...phases));
  const times = profiles[0].map((_, i) => median(profiles.map((times) => times[i])));
  const total = times.reduce((sum, ms) => sum + ms, 0);
  return callsOf(executor, phases).map((call, i) => {
    const ms = times[i];
    const roof = peaks && roofOf(call, peaks);
    return {
      label: call.label,
      op: call.op,
      algorithm: call.algorithm,
      ms,
      share: ms / total,
      gflops: call.flops / ms / 1e6,
      gbytes: bytesMoved(call) / ms / 1e6,
      ...(roof ? { boundMs: roof.ms, boundBy: roof.by } : {}),
    };
  });
}

const toJson = ({ flags, ...rest }: BenchResult) => {
  const { size, batch, mode, net: network, classes, threads } = flags;
  const node = process.version;
  return { network, classes, mode, batch, ...size, threads, node, ...rest };
};

function render(result: BenchResult): string {
  const { flags, ms, medianMs, flops } = result;
  const what = flags.mode === 'infer' ? 'inference, image bytes to label bytes' : 'training step';
  const vectors = result.vectors ? `, vectors of ${result.vectors} bits` : '';
  const spread = `${Math.min(...ms).toFixed(1)}–${Math.max(...ms).toFixed(1)}`;
  const lines = [
    `${pc.bold(flags.net)}, ${flags.batch} × ${formatSize(flags.size)}, ${what}`,
    pc.dim(
      `${result.device}, ${flags.threads} threads${vectors}, Node ${process.version}, ${ms.length} runs`,
    ),
    '',
    `${pc.bold(pc.green(`${medianMs.toFixed(1)} ms`))}  (${spread})   ${formatRate((1000 * flags.batch) / medianMs)}   ` +
      `${(flops / medianMs / 1e6).toFixed(0)} GFLOP/s`,
    `arena ${formatBytes(result.arenaBytes)}, process at most ${formatBytes(result.peakRssBytes)}`,
  ];
  const { kernels, peaks } = result;
  return kernels ? `${[...lines, '', renderKernels(kernels, peaks)].join('\n')}` : lines.join('\n');
}

function renderKernels(kernels: readonly KernelTime[], peaks: Peaks | undefined): string {
  const sum = (of: (kernel: KernelTime) => number) =>
    kernels.reduce((total, kernel) => total + of(kernel), 0);
  const total = sum(({ ms }) => ms);
  const flops = sum(({ ms, gflops }) => ms * gflops);
  const bytes = sum(({ ms, gbytes }) => ms * gbytes);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const rows = [...kernels]
    .sort((a, b) => b.ms - a.ms)
    .map(({ label, op, algorithm = '', ms, share, gflops, gbytes, boundMs = 0, boundBy }) => [
      label,
      op,
      algorithm,
      ms.toFixed(2),
      `${(100 * share).toFixed(1)} %`,
      gflops.toFixed(0),
      gbytes.toFixed(1),
      ...(peaks ? [`${percent(boundMs / ms)} ${boundBy}`] : []),
    ]);
  const all = [total.toFixed(2), '100.0 %', (flops / total).toFixed(0), (bytes / total).toFixed(1)];
  const bound = percent(sum(({ boundMs = 0 }) => boundMs) / total);
  const table = formatTable(
    [
      { title: 'kernel' },
      { title: 'op', rank: 4 },
      { title: 'algorithm', rank: 5 },
      { title: 'ms', align: 'right' },
      { title: 'share', align: 'right', rank: 3 },
      { title: 'GFLOP/s', align: 'right', rank: 1 },
      { title: 'GB/s', align: 'right', rank: 2 },
      ...(peaks ? [{ title: 'of the roof' }] : []),
    ],
    [...rows, ['all', '', '', ...all, ...(peaks ? [bound] : [])]],
    { total: true },
  );
  if (!peaks) return table;
  // Winograd multiplies less than is counted, and caches are faster than memory: some kernels pass their roof.
  const roofs = `${peaks.gflops.toFixed(0)} GFLOP/s of multiply-adds, ${peaks.gbytes.toFixed(1)} GB/s in copies`;
  return (
    `${table}\n` +
    pc.dim(
      `Roofs: ${roofs}.\nWinograd kernels multiply less than is counted, and tensors in the cache are faster than copies.`,
    )
  );
}
