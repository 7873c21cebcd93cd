/**
 * Races VNet on CPU cores against every peer that is installed, in one run, turn by turn.
 *
 *     npm run bench:cpu -- [--threads 2] [--rounds 7] [--json FILE]
 *
 * `PYTHON` names the interpreter that has PyTorch (default python3). Prints a Markdown table.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Executor } from '../../src/backends/backend.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { Rng } from '../../src/data/rng.js';
import { initialWeights } from '../../src/nets/initialize.js';
import { vnet } from '../../src/nets/vnet.js';
import { encodeSafetensors } from '../../src/train/safetensors.js';
import { TorchPeer } from '../peers/torch.js';
import { median, race, ratio } from '../statistics.js';

const { values: flags } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const threads = Number(flags.threads);
const rounds = Number(flags.rounds);
const net = vnet({ classes: 19 });

interface Job {
  readonly name: string;
  readonly mode: 'infer' | 'train';
  readonly shape: readonly [number, number, number];
}
const jobs: readonly Job[] = [
  { name: 'inference 1×1024×2048', mode: 'infer', shape: [1, 1024, 2048] },
  { name: 'training step 1×512×1024', mode: 'train', shape: [1, 512, 1024] },
  { name: 'training step 4×360×480', mode: 'train', shape: [4, 360, 480] },
];

/** Compiles our side of a job and fills it with weights; `weights` are kept for the peers. */
async function ours(job: Job): Promise<{ executor: Executor; weights: Map<string, Float32Array> }> {
  const [batch, height, width] = job.shape;
  const size = { batch, height, width, scratchBytes: wasmBackend.scratchBytes };
  const plan = job.mode === 'infer' ? compileInference(net, size) : compileTraining(net, size);
  const executor = await wasmBackend.prepare(plan, { threads });
  const weights = initialWeights(plan, 1);
  for (const [name, data] of weights) executor.write(name, data);
  if (job.mode === 'infer') await executor.run('prepare');
  return { executor, weights };
}

const folder = await mkdtemp(join(tmpdir(), 'vnet-bench-'));
const rows: string[] = [];
const record: object[] = [];
for (const job of jobs.filter(({ name }) => name.includes(flags.only))) {
  const [batch, height, width] = job.shape;
  const { executor, weights } = await ours(job);
  const { slots } = executor.plan;
  const files = Object.fromEntries(
    ['weights', 'images', 'labels', 'predicted'].map((name) => [name, join(folder, name)]),
  );
  const rng = Rng.of(7);
  const images = Uint8Array.from({ length: batch * height * width * 3 }, () => rng.int(256));
  const labels = Uint8Array.from({ length: batch * height * width }, () => rng.int(net.classes));
  await writeFile(files.images, images);
  await writeFile(files.labels, labels);
  const tensors = [...weights]
    .filter(([name]) => !name.startsWith('adam.'))
    .map(([name, data]) => [name, { shape: slots[name].shape, data }] as const);
  await writeFile(files.weights, encodeSafetensors(new Map(tensors), {}));

  const contestants: Record<string, () => Promise<number>> = {};
  const hyper = Float32Array.of(5e-4, 0.9, 0.999, 1e-8, 1e-4, 0, 0.1, 0.001);
  contestants.vnet = async () => {
    const start = performance.now();
    executor.write('images', images);
    if (job.mode === 'infer') {
      await executor.run('forward');
      await executor.read('prediction');
    } else {
      executor.write('labels', labels);
      executor.write('hyper', hyper);
      await executor.run('forward', 'backward', 'update');
      await executor.read('loss');
    }
    return performance.now() - start;
  };
  const torch: TorchPeer[] = [];
  for (const layout of ['nchw', 'nhwc'] as const) {
    const peer = await TorchPeer.start(files.weights, net.config, threads);
    if (!peer) {
      console.error('PyTorch: not installed (set PYTHON to an interpreter that has it)');
      break;
    }
    torch.push(peer);
    const command = { cmd: job.mode, images: files.images, shape: job.shape, layout };
    const paths = job.mode === 'infer' ? { labels: files.predicted } : { labels: files.labels };
    contestants[`PyTorch ${peer.version} ${layout === 'nhwc' ? 'channels-last' : 'NCHW'}`] = async () =>
      (await peer.ask({ ...command, ...paths })).ms;
  }
  const times = await race(contestants, rounds);
  const flops = executor.plan.calls
    .filter((call) => call.phase !== 'prepare')
    .reduce((sum, call) => sum + call.flops, 0);
  for (const [name, list] of Object.entries(times)) {
    const against = ratio(list, times.vnet);
    const cell =
      name === 'vnet'
        ? '1'
        : `${against.median.toFixed(2)} (${against.min.toFixed(2)}–${against.max.toFixed(2)})`;
    const rate = name === 'vnet' ? (flops / median(list) / 1e6).toFixed(0) : '';
    rows.push(`| ${job.name} | ${name} | ${median(list).toFixed(0)} | ${cell} | ${rate} |`);
    record.push({ job: job.name, name, ms: list, ratio: against });
  }
  if (job.mode === 'infer' && torch.length > 0) {
    const { readFile } = await import('node:fs/promises');
    const theirs = await readFile(files.predicted);
    const mine = (await executor.read('prediction')) as Uint8Array;
    const equal = mine.reduce((sum, label, i) => sum + (label === theirs[i] ? 1 : 0), 0) / mine.length;
    console.error(
      `labels equal to PyTorch's on ${(100 * equal).toFixed(4)} % of the pixels (random weights and image)`,
    );
  }
  for (const peer of torch) peer.close();
  await executor.dispose();
}
await rm(folder, { recursive: true });

console.log(
  `${cpus()[0].model}, ${threads} threads, Node ${process.version}, median of ${rounds} rounds in turn\n`,
);
console.log('| job | program | ms | time / ours (min–max) | GFLOP/s |\n| --- | --- | --- | --- | --- |');
console.log(rows.join('\n'));
if (flags.json) await writeFile(flags.json, JSON.stringify(record, null, 1));
