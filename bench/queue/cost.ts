/**
 * What a queue costs: two workers of one thread against one process of two, in turn on the same two cores, and what goes
 * through Redis: `node build/bench/queue/cost.js`, on a machine that does nothing else.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { whole } from '../../src/cli/options.js';
import { SampleCache } from '../../src/data/cache.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { median } from '../../src/median.js';
import { QueueGradients } from '../../src/queue/gradients.js';
import type { TrainingBatch } from '../../src/train/engine.js';
import type { GradientSource, StepBatches } from '../../src/train/gradients.js';
import type { RunSetup, TrainOptions } from '../../src/train/train.js';
import { train } from '../../src/train/train.js';
import { trainingLoader } from '../../src/train/training-data.js';
import type { Running } from '../../test/cli/vnet.js';
import { start } from '../../test/cli/vnet.js';
import { TestRedis } from '../../test/queue/redis.js';
import { ratio } from '../statistics.js';

const command = new Command('cost')
  .description('two workers of one thread against one process of two')
  .option('--images <n>', 'pictures of a batch', whole(32), 96)
  .option('--steps <n>', 'optimiser steps of both in turn', whole(2), 15)
  .option('--rounds <n>', 'batches of pictures of both in turn', whole(1), 3)
  .addOption(new Option('--only <part>', 'one of the two').choices(['predict', 'train']))
  .parse();
const flags = command.opts<{ images: number; steps: number; rounds: number; only?: 'predict' | 'train' }>();
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-cost-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));
const redis = await TestRedis.start();
const workers: Running[] = [];

/** Results of both begin to come after as many pictures. */
const warmUp = 24;

/** Milliseconds a picture, once all processes are at work. */
async function picture(...options: readonly string[]): Promise<number> {
  const args = ['predict', at('in'), '--out', at('out'), '--overwrite', '--write', 'labels', '--json'];
  const child = spawn(process.execPath, [bin, ...args, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const times: number[] = [];
  for await (const line of createInterface(child.stdout)) if (line) times.push(performance.now());
  if (times.length !== flags.images) throw new Error(`${times.length} of ${flags.images} results`);
  return (times[times.length - 1] - times[warmUp]) / (times.length - 1 - warmUp);
}

/** Two that take turns, step by step: a machine that becomes slower does so for both. */
class Turns {
  private next = 0;
  private readonly waiting: (() => void)[] = [];

  /** Resolves when it is one's turn. */
  async of(who: number): Promise<void> {
    if (this.next !== who)
      await new Promise<void>((resolve) => {
        this.waiting[who] = resolve;
      });
  }

  pass(): void {
    this.next = 1 - this.next;
    this.waiting[this.next]?.();
  }
}

/** Milliseconds of optimiser steps in turn with another training, but for the first two. */
async function steps(
  who: number,
  turns: Turns,
  open: NonNullable<TrainOptions['gradients']>,
): Promise<number[]> {
  const times: number[] = [];
  let began = 0;
  await train({
    ...{ data: at('data'), out: at(`run${who}`), epochs: flags.steps + 2, batch: 4, accumulate: 4 },
    ...{ threads: 2, workers: 1, validateEvery: 0, samples: 0, device: wasmBackend },
    async gradients(run) {
      const source = await open(run);
      return {
        async *gradients(batches) {
          await turns.of(who);
          began = performance.now();
          yield* source.gradients(batches);
        },
        close: () => source.close(),
      };
    },
    onEvent({ type }) {
      if (type !== 'step') return;
      times.push(performance.now() - began);
      turns.pass();
    },
  });
  return times.slice(2);
}

/** Gradients as one process computes them. */
async function ownGradients({ config, dataset, engine }: RunSetup): Promise<GradientSource> {
  const cache = new SampleCache();
  cache.budget = 2 ** 28;
  const loader = trainingLoader(dataset, config, cache);
  async function* batches({ epoch, first, count }: StepBatches): AsyncGenerator<TrainingBatch> {
    let left = count;
    for await (const batch of loader.batches(epoch, first)) {
      yield { ...batch, release: () => loader.recycle(batch) };
      if (--left === 0) return;
    }
  }
  return { gradients: (step) => engine.gradientsOf(batches(step)), close: () => loader.close() };
}

async function startWorkers(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const worker = start([
      ...['worker', '--queue', redis.url, '--root', folder, '--data', at('data')],
      ...['--threads', '1', '--workers', '1'],
    ]);
    workers.push(worker);
    await worker.seen(/waiting for jobs/);
  }
}

/** Tells of a pair of lists of times what the second costs. */
function tell(title: string, alone: readonly number[], many: readonly number[]): void {
  const { median: share, min, max } = ratio(alone, many);
  const percent = (x: number) => (100 * x).toFixed(0);
  console.log(
    `${title}: one process of two threads ${median(alone).toFixed(1)} ms, two workers of one ${median(many).toFixed(1)} ms: ${percent(share)} % of its rate (${percent(min)} to ${percent(max)} in ${alone.length} pairs)`,
  );
}

async function predicting(): Promise<void> {
  mkdirSync(at('in'));
  for (let i = 0; i < flags.images; i++)
    writeFileSync(at('in', `p${i}.png`), await encodeRgbPng(renderScene(9, i, 360, 480).image));
  const [alone, many]: [number[], number[]] = [[], []];
  for (let round = 0; round < flags.rounds; round++) {
    alone.push(await picture('--device', 'wasm', '--threads', '2'));
    many.push(await picture('--queue', redis.url, '--chunk', '4'));
  }
  tell('predict, a picture of 360×480', alone, many);
}

async function training(): Promise<void> {
  let counts: QueueGradients['counts'] | undefined;
  const before = await redis.usage();
  const turns = new Turns();
  const [alone, many] = await Promise.all([
    steps(0, turns, ownGradients),
    steps(1, turns, async (run) => {
      const source = await QueueGradients.open(redis.url, run, (line) => console.error(line));
      counts = source.counts;
      return source;
    }),
  ]);
  const after = await redis.usage();
  tell('training, a step of 4 batches of 4 at 360×480', alone, many);
  const all = flags.steps + 2;
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
  const { sentBytes, receivedBytes } = counts!;
  console.log(
    `through Redis a step: ${kib((after.bytes - before.bytes) / all)}, ${((after.commands - before.commands) / all).toFixed(0)} commands; by the coordinator ${kib((sentBytes + receivedBytes) / all)}; most memory of Redis ${kib(after.peak)}`,
  );
}

try {
  await writeSynthetic({ out: at('data'), count: 20, height: 360, width: 480, valFraction: 0.2, seed: 3 });
  await startWorkers();
  if (flags.only !== 'train') await predicting();
  if (flags.only !== 'predict') await training();
} finally {
  for (const worker of workers) worker.interrupt('SIGKILL');
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}
