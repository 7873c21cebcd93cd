/**
 * What a queue costs: two workers of one thread against one process of two, on the same two cores, and what goes through
 * Redis: `node build/bench/queue/cost.js`, on a machine that does nothing else.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
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
import { start, vnet } from '../../test/cli/vnet.js';
import { TestRedis } from '../../test/queue/redis.js';

const command = new Command('cost')
  .description('two workers of one thread against one process of two')
  .option('--images <n>', 'pictures of a batch', whole(8), 48)
  .option('--steps <n>', 'optimiser steps that are timed', whole(2), 6)
  .parse();
const flags = command.opts<{ images: number; steps: number }>();
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-cost-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const redis = await TestRedis.start();
const control = new Redis(redis.url);
const workers: Running[] = [];

/** Bytes that went through Redis so far, and the most it held, from its own count. */
async function traffic(): Promise<{ moved: number; peak: number }> {
  const text = await control.info();
  const of = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]);
  return { moved: of('total_net_input_bytes') + of('total_net_output_bytes'), peak: of('used_memory_peak') };
}

/** Images a second, from what three times as many cost more. */
async function rate(...options: readonly string[]): Promise<number> {
  const seconds = async (inputs: string) => {
    const began = performance.now();
    const args = ['predict', at(inputs), '--out', at('out'), '--overwrite', '--write', 'labels', ...options];
    const { code, stderr } = await vnet(args);
    if (code !== 0) throw new Error(stderr);
    return (performance.now() - began) / 1000;
  };
  const few = await seconds('few');
  return (flags.images - flags.images / 3) / ((await seconds('all')) - few);
}

/** Milliseconds of an optimiser step, the median but for the first two. */
async function step(out: string, gradients?: TrainOptions['gradients']): Promise<number> {
  const times: number[] = [];
  await train({
    ...{ data: at('data'), out: at(out), epochs: flags.steps + 2, batch: 4, accumulate: 4, gradients },
    ...{ threads: 2, workers: 1, validateEvery: 0, samples: 0, device: wasmBackend },
    onEvent: ({ type }) => {
      if (type === 'step') times.push(performance.now());
    },
  });
  return median(times.slice(3).map((time, i) => time - times[i + 2]));
}

try {
  for (const [name, count] of [
    ['all', flags.images],
    ['few', flags.images / 3],
  ] as const) {
    mkdirSync(at(name));
    for (let i = 0; i < count; i++)
      writeFileSync(at(name, `p${i}.png`), await encodeRgbPng(renderScene(9, i, 360, 480).image));
  }
  await writeSynthetic({ out: at('data'), count: 20, height: 360, width: 480, valFraction: 0.2, seed: 3 });
  const alone = { rate: await rate('--device', 'wasm', '--threads', '2'), step: await step('alone') };
  for (let i = 0; i < 2; i++) {
    const worker = start([
      ...['worker', '--queue', redis.url, '--root', folder, '--data', at('data')],
      ...['--threads', '1', '--workers', '0'],
    ]);
    workers.push(worker);
    await worker.seen(/waiting for jobs/);
  }
  const many = { rate: await rate('--queue', redis.url, '--chunk', '4'), step: 0 };
  const before = await traffic();
  let counts: QueueGradients['counts'] | undefined;
  many.step = await step('many', async (run) => {
    const source = await QueueGradients.open(redis.url, run, (line) => console.error(line));
    counts = source.counts;
    return source;
  });
  const after = await traffic();
  const steps = flags.steps + 2;
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
  console.log(
    `predict 360×480: one process of two threads ${alone.rate.toFixed(1)} images/s, two workers of one ${many.rate.toFixed(1)} (${((100 * many.rate) / alone.rate).toFixed(0)} %)`,
  );
  console.log(
    `training step, 4 batches of 4 at 360×480: ${alone.step.toFixed(0)} ms, ${many.step.toFixed(0)} ms (${((100 * alone.step) / many.step).toFixed(0)} %)`,
  );
  console.log(
    `through Redis a step: ${kib((after.moved - before.moved) / steps)}; gradients and weights alone ${kib((counts!.sentBytes + counts!.receivedBytes) / steps)}; most memory of Redis ${kib(after.peak)}`,
  );
} finally {
  for (const worker of workers) worker.interrupt('SIGKILL');
  control.disconnect();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}
