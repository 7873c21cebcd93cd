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
import { Redis } from 'ioredis';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { whole } from '../../src/cli/options.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { median } from '../../src/median.js';
import { QueueGradients } from '../../src/queue/gradients.js';
import type { TrainOptions } from '../../src/train/train.js';
import { train } from '../../src/train/train.js';
import type { Running } from '../../test/cli/vnet.js';
import { start } from '../../test/cli/vnet.js';
import { TestRedis } from '../../test/queue/redis.js';
import { ratio } from '../statistics.js';

const command = new Command('cost')
  .description('two workers of one thread against one process of two')
  .option('--images <n>', 'pictures of a batch', whole(32), 96)
  .option('--steps <n>', 'optimiser steps that are timed in a round', whole(2), 4)
  .option('--rounds <n>', 'of both in turn', whole(1), 3)
  .addOption(new Option('--only <part>', 'one of the two').choices(['predict', 'train']))
  .parse();
const flags = command.opts<{ images: number; steps: number; rounds: number; only?: 'predict' | 'train' }>();
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-cost-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));
const redis = await TestRedis.start();
const control = new Redis(redis.url);
const workers: Running[] = [];

/** Bytes that went through Redis so far and commands it took, and the most it held, from its own count. */
async function traffic(): Promise<{ moved: number; commands: number; peak: number }> {
  const text = await control.info();
  const of = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]);
  return {
    moved: of('total_net_input_bytes') + of('total_net_output_bytes'),
    commands: of('total_commands_processed'),
    peak: of('used_memory_peak'),
  };
}

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

let runs = 0;

/** Milliseconds of an optimiser step, the median but for the first two. */
async function step(gradients?: TrainOptions['gradients']): Promise<number> {
  const times: number[] = [];
  await train({
    ...{ data: at('data'), out: at(`run${runs++}`), epochs: flags.steps + 2, batch: 4, accumulate: 4 },
    ...{ gradients, threads: 2, workers: 1, validateEvery: 0, samples: 0, device: wasmBackend },
    onEvent: ({ type }) => {
      if (type === 'step') times.push(performance.now());
    },
  });
  return median(times.slice(2).map((time, i) => time - times[i + 1]));
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
    `${title}: one process of two threads ${median(alone).toFixed(1)} ms, two workers of one ${median(many).toFixed(1)} ms: ${percent(share)} % of its rate (${percent(min)} to ${percent(max)} in ${alone.length} rounds)`,
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
  const [alone, many]: [number[], number[]] = [[], []];
  const counts: QueueGradients['counts'][] = [];
  const before = await traffic();
  for (let round = 0; round < flags.rounds; round++) {
    alone.push(await step());
    many.push(
      await step(async (run) => {
        const source = await QueueGradients.open(redis.url, run, (line) => console.error(line));
        counts.push(source.counts);
        return source;
      }),
    );
  }
  const after = await traffic();
  tell('training, a step of 4 batches of 4 at 360×480', alone, many);
  const steps = flags.rounds * (flags.steps + 2);
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
  const own = counts.reduce((sum, { sentBytes, receivedBytes }) => sum + sentBytes + receivedBytes, 0);
  console.log(
    `through Redis a step: ${kib((after.moved - before.moved) / steps)}, ${((after.commands - before.commands) / steps).toFixed(0)} commands; by the coordinator ${kib(own / steps)}; most memory of Redis ${kib(after.peak)}`,
  );
}

try {
  await writeSynthetic({ out: at('data'), count: 20, height: 360, width: 480, valFraction: 0.2, seed: 3 });
  await startWorkers();
  if (flags.only !== 'train') await predicting();
  if (flags.only !== 'predict') await training();
} finally {
  for (const worker of workers) worker.interrupt('SIGKILL');
  control.disconnect();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}
