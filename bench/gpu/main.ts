/**
 * Races VNet on a GPU through WebGPU, in float32, where the GPU has it with float16 storage, and with products of bytes,
 * against PyTorch on the same GPU, in one run.
 *
 *     node build/bench/gpu/main.js [--gpu NAME] [--rounds 20] [--height 1024] [--width 2048] [--kernels] [--json FILE] [--tune [FILE]] [--tuned FILE]
 *
 * `--tune` first measures every candidate of every kernel and takes the fastest; `--tuned` takes what an earlier run wrote.
 * Needs nothing but this folder's build, the `webgpu` package, commander and zod: `npm run bundle` makes a folder that has them.
 * `PYTHON` names the interpreter that has PyTorch with CUDA (default python3); without one, our side runs alone.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { z } from 'zod';
import type { Executor } from '../../src/backends/backend.js';
import { dawnGpus } from '../../src/backends/webgpu/dawn.js';
import {
  Choices,
  chooseAdapter,
  describeAdapter,
  tune,
  webgpuBackend,
} from '../../src/backends/webgpu/index.js';
import { refusals, tunedRows, tunedTitles, tunedToJson } from '../../src/backends/webgpu/tuning/result.js';
import { whole } from '../../src/cli/options.js';
import type { Precision } from '../../src/compile.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { Rng } from '../../src/data/rng.js';
import type { Plan } from '../../src/graph/planned.js';
import { sizeOf } from '../../src/ir/value.js';
import { median } from '../../src/median.js';
import { initialWeights } from '../../src/nets/initialize.js';
import { vnet } from '../../src/nets/vnet.js';

import { kernelTable } from './kernels.js';
import type { TorchResult } from './torch.js';
import { raceTorch } from './torch.js';

const flags = new Command('bench:gpu')
  .description('Races VNet on a GPU through WebGPU against PyTorch on the same GPU, in one run.')
  .option('--gpu <name>', 'a GPU by part of its name')
  .option('--rounds <n>', 'timed runs', whole(1), 20)
  .option('--batch <n>', 'images of a training step', whole(1, 4096), 4)
  .option('--height <pixels>', 'of an image', whole(32, 16384), 1024)
  .option('--width <pixels>', 'of an image', whole(32, 16384), 2048)
  .option('--kernels', 'list the time of every kernel', false)
  .option('--no-torch', 'our side only')
  .option('--json <file>', 'write all times to a file')
  .option(
    '--tune [file]',
    'measure all candidates first, and write what they took to a file (default: tuned.json)',
  )
  .option('--tune-seconds <n>', 'at most', whole(1, 3600), 60)
  .option('--tuned <file>', 'take what an earlier --tune wrote')
  .option('--no-race', 'with --tune: nothing else')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run bench:gpu -- --rounds 50 --kernels\n  npm run bench:gpu -- --tune --no-race',
  )
  .parse()
  .opts<{
    gpu?: string;
    rounds: number;
    batch: number;
    height: number;
    width: number;
    kernels: boolean;
    torch: boolean;
    json?: string;
    tune?: string | true;
    tuneSeconds: number;
    tuned?: string;
    race: boolean;
  }>();
const { rounds, batch, height, width } = flags;
const classes = 19;
const net = vnet({ classes });
const hyper = Float32Array.of(5e-4, 0.9, 0.999, 1e-8, 1e-4, 0, 0.1, 0.001);

const adapter = await chooseAdapter(dawnGpus, flags.gpu);
if (!adapter) {
  console.error('no GPU: install its Vulkan driver, or name a software adapter with --gpu');
  process.exit(1);
}
const { name, features } = describeAdapter(adapter);
const hasHalf = features.includes('shader-f16');
const hasTimes = features.includes('timestamp-query');
const choices = flags.tune ? await tuned(flags.tune === true ? 'tuned.json' : flags.tune) : await known();
const backend = await webgpuBackend(adapter, {}, choices);
const rng = Rng.of(7);
const bytes = (count: number, below: number) => Uint8Array.from({ length: count }, () => rng.int(below));

function row(...cells: string[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

/** What an earlier run measured. */
async function known(): Promise<Choices> {
  if (!flags.tuned) return new Choices();
  const { choices } = z
    .object({ choices: z.array(z.tuple([z.string(), z.string()])) })
    .parse(JSON.parse(await readFile(flags.tuned, 'utf8')));
  return new Choices(choices);
}

/** Measures the candidates of inference and of a training step, and writes all of it at once: what follows may fail. */
async function tuned(file: string): Promise<Choices> {
  const result = await tune({
    // One that no device was asked of.
    adapter: async () => (await chooseAdapter(dawnGpus, flags.gpu))!,
    // Inference first: time may be up.
    plans(scratchBytes) {
      const precisions = hasHalf ? (['f32', 'f16'] as const) : (['f32'] as const);
      const size = { height, width, scratchBytes };
      return [
        ...[...precisions, 'i8' as const].map((precision) =>
          compileInference(net, { ...size, batch: 1, precision }),
        ),
        ...precisions.map((precision) => compileTraining(net, { ...size, batch, precision })),
      ];
    },
    seconds: flags.tuneSeconds,
    onProgress: (done, total, call) => process.stderr.write(`${done + 1}/${total} ${call}\n`),
  });
  await writeFile(file, JSON.stringify(tunedToJson(result), null, 1));
  console.log(`### Candidates on ${result.device}, measured in ${result.seconds.toFixed(1)} s\n`);
  row(...tunedTitles);
  row(...tunedTitles.map(() => '---'));
  for (const cells of tunedRows(result)) row(...cells);
  console.log(`\n${refusals(result).join('\n')}\n`);
  if (!flags.race) process.exit(0);
  return result.choices;
}

async function prepare(plan: Plan): Promise<Executor> {
  const executor = await backend.prepare(plan);
  for (const [slot, data] of initialWeights(plan, 1)) executor.write(slot, data);
  return executor;
}

/** Milliseconds of each of `rounds` runs, after two that warm up. */
async function time(run: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const start = performance.now();
    await run();
    if (round >= 0) times.push(performance.now() - start);
  }
  return times;
}

const total = (times: Float64Array): number => times.reduce((sum, ms) => sum + ms, 0);
const ms = (value: number): string => value.toFixed(2);
const mib = (value: number): string => `${(value / 2 ** 20).toFixed(0)} MiB`;
const sections: string[] = [];

async function raceInference(precision: Precision) {
  const { scratchBytes } = backend;
  const plan = compileInference(net, { batch: 1, height, width, precision, scratchBytes });
  const executor = await prepare(plan);
  await executor.run('prepare');
  const images = bytes(sizeOf(plan.slots.images.shape), 256);
  // Each is free again when four more have begun.
  const labels = Array.from({ length: 4 }, () => new Uint8Array(sizeOf(plan.slots.prediction.shape)));
  let frames = 0;
  const frame = async () => {
    const into = labels[frames++ % labels.length];
    executor.write('images', images);
    await executor.run('forward');
    return executor.read('prediction', into);
  };
  const latency = median(await time(frame));
  // Three frames under way: uploads, kernels and readback overlap, as in a video.
  const start = performance.now();
  const underWay: Promise<unknown>[] = [];
  for (let i = 0; i < 5 * rounds; i++) {
    underWay.push(frame());
    if (underWay.length > 2) await underWay.shift();
  }
  await Promise.all(underWay);
  const throughput = (performance.now() - start) / (5 * rounds);
  const profiles = await profilesOf(executor, ['forward']);
  if (flags.kernels)
    sections.push(`### Inference kernels, ${precision}\n\n${kernelTable(plan, ['forward'], profiles)}`);
  const result = { latency, throughput, gpu: total(profiles), memory: executor.allocatedBytes };
  await executor.dispose();
  return result;
}

async function raceTraining(precision: Precision) {
  const { scratchBytes } = backend;
  const plan = compileTraining(net, { batch, height, width, precision, scratchBytes });
  const executor = await prepare(plan);
  executor.write('images', bytes(sizeOf(plan.slots.images.shape), 256));
  executor.write('labels', bytes(sizeOf(plan.slots.labels.shape), classes));
  const phases = ['forward', 'backward', 'update'] as const;
  const step = median(
    await time(async () => {
      executor.write('hyper', hyper);
      await executor.run(...phases);
      return executor.read('loss');
    }),
  );
  const profiles = await profilesOf(executor, phases);
  if (flags.kernels)
    sections.push(`### Training kernels, ${precision}\n\n${kernelTable(plan, phases, profiles)}`);
  const result = { step, gpu: total(profiles), memory: executor.allocatedBytes, planned: plan.arenaBytes };
  await executor.dispose();
  return result;
}

/** The median of each call over a few profiled runs. */
async function profilesOf(executor: Executor, phases: readonly ('forward' | 'backward' | 'update')[]) {
  if (!hasTimes) return new Float64Array(executor.plan.calls.length).fill(Number.NaN);
  const runs: Float64Array[] = [];
  for (let i = 0; i < 5; i++) runs.push(await executor.profile(...phases));
  return runs[0].map((_, i) => median(runs.map((run) => run[i])));
}

const race = async (precision: Precision) => ({
  ...(await raceInference(precision)),
  training: await raceTraining(precision),
});
const single = await race('f32');
const half = hasHalf ? await race('f16') : undefined;
const products = await raceInference('i8');
const save = async (torch?: TorchResult) => {
  if (!flags.json) return;
  const all = { name, batch, height, width, whole: single, half, products, torch };
  await writeFile(flags.json, JSON.stringify(all, null, 2));
};
// PyTorch takes minutes to compile: what is measured is there already.
await save();
const torch = flags.torch ? await raceTorch({ batch, height, width, rounds, classes }) : undefined;

type Ours = typeof single;
type OfInference = typeof products;
const { eager, compiled } = torch ?? {};
const measured: [
  label: string,
  ours: (from: OfInference & Partial<Ours>) => number | undefined,
  eager?: number | null,
  compiled?: number | null,
][] = [
  ['inference, one frame, bytes to labels', (o) => o.latency, eager?.latency, compiled?.latency],
  ['inference, frames under way', (o) => o.throughput, eager?.throughput, compiled?.throughput],
  ['inference, GPU time alone', (o) => o.gpu, eager?.gpu, compiled?.gpu],
  [`training step, batch ${batch}`, (o) => o.training?.step, eager?.step, compiled?.step],
  [`training step, GPU time alone`, (o) => o.training?.gpu],
];
const shown = (value: number | null | undefined): string =>
  value && Number.isFinite(value) ? `${ms(value)} ms` : '—';
const ratio = (theirs: number | null | undefined, ours: number | undefined): string =>
  theirs && ours && Number.isFinite(ours) ? `${(theirs / ours).toFixed(2)}×` : '—';

console.log(`## VNet on ${name}, ${height}×${width}, medians of ${rounds}\n`);
console.log(
  `PyTorch ${torch ? `${torch.version} on ${torch.device}` : 'with CUDA not found: our side only'}`,
);
if (!half) console.log('No shader-f16 on this adapter: float32 only');
console.log(
  '\nRatios: eager by ours in float32; torch.compile by ours in float16, or float32 where there is none.\n',
);
row(
  '',
  'ours f32',
  'ours f16',
  'ours i8',
  'eager f32',
  'torch.compile f16',
  'eager ÷ ours',
  'compile ÷ ours',
);
row(...Array<string>(8).fill('---'));
for (const [label, of, eagerMs, compiledMs] of measured) {
  const best = half ? of(half) : of(single);
  row(
    label,
    shown(of(single)),
    half ? shown(of(half)) : '—',
    shown(of(products)),
    shown(eagerMs),
    shown(compiledMs),
    ratio(eagerMs, of(single)),
    ratio(compiledMs, best),
  );
}
const rate = (from: OfInference) => (1000 / from.throughput).toFixed(0);
const theirRate = (value: number | null | undefined) => (value ? (1000 / value).toFixed(0) : '—');
row(
  'frames/s',
  rate(single),
  half ? rate(half) : '—',
  rate(products),
  theirRate(eager?.throughput),
  theirRate(compiled?.throughput),
  '',
  '',
);
const memory = (from: Ours) => `${mib(from.training.memory)} (plan ${mib(from.training.planned)})`;
row(
  'training memory',
  memory(single),
  half ? memory(half) : '—',
  '—',
  eager?.memory ? mib(eager.memory) : '—',
  compiled?.memory ? mib(compiled.memory) : '—',
  ratio(eager?.memory, single.training.memory),
  ratio(compiled?.memory, (half ?? single).training.memory),
);
for (const section of sections) console.log(`\n${section}`);
await save(torch);
backend.dispose();
