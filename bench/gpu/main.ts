/**
 * Races VNet on a GPU through WebGPU against PyTorch on the same GPU, in one run.
 *
 *     node build/bench/gpu/main.js [--gpu NAME] [--rounds 20] [--height 1024] [--width 2048] [--kernels] [--json FILE]
 *
 * Needs nothing but this folder's build, the `webgpu` package and zod: `npm run bundle` makes a folder that has them.
 * `PYTHON` names the interpreter that has PyTorch with CUDA (default python3); without one, our side runs alone.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Executor } from '../../src/backends/backend.js';
import { dawnGpus } from '../../src/backends/webgpu/dawn.js';
import { chooseAdapter, describeAdapter, webgpuBackend } from '../../src/backends/webgpu/index.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { Rng } from '../../src/data/rng.js';
import { sizeOf } from '../../src/graph/ir.js';
import type { Plan } from '../../src/graph/planned.js';
import { median } from '../../src/median.js';
import { initialWeights } from '../../src/nets/initialize.js';
import { vnet } from '../../src/nets/vnet.js';

import { kernelTable } from './kernels.js';
import { raceTorch } from './torch.js';

const { values: flags } = parseArgs({
  options: {
    gpu: { type: 'string' },
    rounds: { type: 'string', default: '20' },
    batch: { type: 'string', default: '4' },
    height: { type: 'string', default: '1024' },
    width: { type: 'string', default: '2048' },
    kernels: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const [batch, height, width] = [flags.batch, flags.height, flags.width].map(Number);
const classes = 19;
const net = vnet({ classes });
const hyper = Float32Array.of(5e-4, 0.9, 0.999, 1e-8, 1e-4, 0, 0.1, 0.001);

const adapter = await chooseAdapter(dawnGpus, flags.gpu);
if (!adapter) {
  console.error('no GPU: install its Vulkan driver, or name a software adapter with --gpu');
  process.exit(1);
}
const { name } = describeAdapter(adapter);
const backend = await webgpuBackend(adapter);
const rng = Rng.of(7);
const bytes = (count: number, below: number) => Uint8Array.from({ length: count }, () => rng.int(below));

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

async function raceInference() {
  const plan = compileInference(net, { batch: 1, height, width, scratchBytes: backend.scratchBytes });
  const executor = await prepare(plan);
  await executor.run('prepare');
  const images = bytes(sizeOf(plan.slots.images.shape), 256);
  const frame = async () => {
    executor.write('images', images);
    await executor.run('forward');
    return executor.read('prediction');
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
  if (flags.kernels) sections.push(`### Inference kernels\n\n${kernelTable(plan, ['forward'], profiles)}`);
  const result = { latency, throughput, gpu: total(profiles), memory: executor.allocatedBytes };
  await executor.dispose();
  return result;
}

async function raceTraining() {
  const plan = compileTraining(net, { batch, height, width, scratchBytes: backend.scratchBytes });
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
  if (flags.kernels) sections.push(`### Training kernels\n\n${kernelTable(plan, phases, profiles)}`);
  const result = { step, gpu: total(profiles), memory: executor.allocatedBytes, planned: plan.arenaBytes };
  await executor.dispose();
  return result;
}

/** The median of each call over a few profiled runs. */
async function profilesOf(executor: Executor, phases: readonly ('forward' | 'backward' | 'update')[]) {
  const runs: Float64Array[] = [];
  for (let i = 0; i < 5; i++) runs.push(await executor.profile(...phases));
  return runs[0].map((_, i) => median(runs.map((run) => run[i])));
}

const inference = await raceInference();
const training = await raceTraining();
const torch = await raceTorch({ batch, height, width, rounds, classes });

const rows = [
  ['inference, one frame, bytes to labels', inference.latency, torch?.eager.latency, torch?.compiled.latency],
  ['inference, frames under way', inference.throughput, torch?.eager.throughput, torch?.compiled.throughput],
  ['inference, GPU time alone', inference.gpu, torch?.eager.gpu, torch?.compiled.gpu],
  [`training step, batch ${batch}`, training.step, torch?.eager.step, torch?.compiled.step],
] as const;
const cell = (ours: number, theirs: number | null | undefined): string =>
  theirs ? `${ms(theirs)} ms (${(theirs / ours).toFixed(2)}×)` : '—';
console.log(`## VNet on ${name}, ${height}×${width}, medians of ${rounds}\n`);
console.log(`PyTorch ${torch ? `${torch.version} on ${torch.device}` : 'not found: our side only'}\n`);
console.log('| | ours | PyTorch eager f32 | torch.compile f16 |\n| --- | --- | --- | --- |');
for (const [label, ours, eager, compiled] of rows) {
  console.log(`| ${label} | ${ms(ours)} ms | ${cell(ours, eager)} | ${cell(ours, compiled)} |`);
}
console.log(`| frames/s | ${(1000 / inference.throughput).toFixed(0)} | | |`);
console.log(
  `| training memory | ${mib(training.memory)} (planned ${mib(training.planned)}) | ${torch ? mib(torch.eager.memory) : '—'} | |`,
);
for (const section of sections) console.log(`\n${section}`);
if (flags.json)
  await writeFile(flags.json, JSON.stringify({ name, height, width, inference, training, torch }, null, 2));
backend.dispose();
