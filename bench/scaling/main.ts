/**
 * How cost grows: inference with pixels, a training step with the batch, both with threads.
 *
 *     npm run bench:scaling -- [--threads 1,2,4,8] [--rounds 7] [--out docs/images]
 *
 * Sizes run in turn, so that a busy moment of the machine touches all of them. Whether cost is linear is judged by the
 * processor time of one thread, the gains of more threads by the clock. Prints Markdown tables, writes two plots.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Executor } from '../../src/backends/backend.js';
import { whole } from '../../src/cli/options.js';
import { Rng } from '../../src/data/rng.js';
import { sizeOf } from '../../src/ir/value.js';
import { median } from '../../src/median.js';
import { vnet } from '../../src/nets/vnet.js';
import { compile } from '../../src/run.js';
import { race, ratio } from '../statistics.js';
import { linesChart } from './chart.js';

const {
  rounds,
  out,
  threads: counts,
} = new Command('bench:scaling')
  .description(
    'How cost grows: inference with pixels, a training step with the batch, both with threads. Prints Markdown tables and ' +
      'writes two plots.',
  )
  .option(
    '--threads <list>',
    'numbers of threads with commas between; all are compared with the first',
    (text: string) => text.split(',').map(whole(1, 256)),
    [1, 2],
  )
  .option('--rounds <n>', 'timed turns of each size', whole(1), 7)
  .option('--out <folder>', 'where the plots go', 'docs/images')
  .addHelpText('after', '\nExample:\n  npm run bench:scaling -- --threads 1,2,4,8,16 --rounds 3 --out build')
  .parse()
  .opts<{ rounds: number; out: string; threads: number[] }>();
const net = vnet({ classes: 19 });
const rng = Rng.of(7);

function fill(executor: Executor): void {
  for (const [name, below] of [
    ['images', 256],
    ['labels', net.classes],
  ] as const) {
    const slot = executor.plan.slots[name];
    if (slot)
      executor.write(
        name,
        Uint8Array.from({ length: sizeOf(slot.shape) }, () => rng.int(below)),
      );
  }
}

/** Processor milliseconds of each contestant's runs, the warm-up first. */
const processor: Record<string, number[]> = {};

/** A contestant: milliseconds by the clock of `repeats` runs in a row, their median; one is not timed. */
const contestant = (name: string, repeats: number, work: () => Promise<void>) => async () => {
  // What ran before has emptied the caches, and threads have gone to sleep.
  await work();
  const before = process.cpuUsage();
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  processor[name] ??= [];
  processor[name].push((user + system) / 1000 / repeats);
  return median(times);
};

/** Milliseconds of inference by size and of a training step by batch, for one number of threads. */
async function prepareAll(threads: number) {
  const sizes = [128, 256, 512, 1024, 2048].map((height) => ({ height, width: 2 * height }));
  const contestants: Record<string, () => Promise<number>> = {};
  const executors: Executor[] = [];
  for (const { height, width } of sizes) {
    const executor = await compile(net, { mode: 'infer', batch: 1, height, width, threads });
    fill(executor);
    executors.push(executor);
    // Short runs would be lost in the noise.
    const repeats = Math.max(1, (1024 * 1024) / (height * width));
    const name = `infer ${height}×${width} ${threads}`;
    contestants[name] = contestant(name, repeats, () => executor.run('forward'));
  }
  for (const batch of [1, 2, 3, 4]) {
    const executor = await compile(net, { mode: 'train', batch, height: 256, width: 512, threads });
    fill(executor);
    // Learning rate 0, so that the weights stay what they are.
    executor.write('hyper', Float32Array.of(0, 0.9, 0.999, 1e-8, 0, 0, 0.1, 0.001));
    executors.push(executor);
    const name = `train ${batch} ${threads}`;
    contestants[name] = contestant(name, 1, () => executor.run('forward', 'backward', 'update'));
  }
  return { sizes, contestants, executors };
}

const all: Awaited<ReturnType<typeof prepareAll>>[] = [];
for (const count of counts) all.push(await prepareAll(count));
const times = await race(Object.assign({}, ...all.map(({ contestants }) => contestants)), rounds);
for (const { executors } of all) for (const executor of executors) await executor.dispose();

/** Least squares through the origin of the first of two lists on the second. */
const slope = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, value, i) => sum + value * y[i], 0) / x.reduce((sum, value) => sum + value * value, 0);

interface Row {
  readonly name: string;
  /** Megapixels, or images. */
  readonly unit: number;
  /** Processor milliseconds on the first number of threads. */
  readonly cost: number;
  /** Milliseconds by the clock, one for each number of threads. */
  readonly ms: readonly number[];
  /** How many times as fast as the first number of threads each of the others is. */
  readonly gains: readonly number[];
}
const rowOf = (name: string, unit: number, key: string): Row => {
  const [first, ...others] = counts.map((count) => times[`${key} ${count}`]);
  return {
    name,
    unit,
    cost: median(processor[`${key} ${counts[0]}`].slice(1)),
    ms: [first, ...others].map(median),
    gains: others.map((other) => ratio(first, other).median),
  };
};
const inference = all[0].sizes.map(({ height, width }) =>
  rowOf(`${height}×${width}`, (height * width) / 2 ** 20, `infer ${height}×${width}`),
);
const training = [1, 2, 3, 4].map((batch) => rowOf(String(batch), batch, `train ${batch}`));

const threadsText = (count: number) => (count === 1 ? '1 thread' : `${count} threads`);
const table = (title: string, per: string, rows: readonly Row[], reference: Row) => {
  const lines = rows.map(({ name, unit, cost, ms, gains }) => {
    const deviation = 100 * (cost / unit / (reference.cost / reference.unit) - 1);
    const linear = `${deviation < 0 ? '' : '+'}${deviation.toFixed(0)} %`;
    const cells = [name, (cost / unit).toFixed(1), linear, ...ms.map((value) => value.toFixed(1))];
    return `| ${[...cells, ...gains.map((gain) => gain.toFixed(2))].join(' | ')} |`;
  });
  const titles = [title, `processor ms per ${per}`, `against ${reference.name}`];
  titles.push(...counts.map((count) => `ms, ${threadsText(count)}`));
  titles.push(...counts.slice(1).map((count) => `gain of ${count}`));
  return [`| ${titles.join(' | ')} |`, `|${' --- |'.repeat(titles.length)}`, ...lines].join('\n');
};
console.log(`${cpus()[0].model}, Node ${process.version}, medians of ${rounds} rounds in turn\n`);
console.log(`${table('inference', 'Mpixel', inference, inference[3])}\n`);
console.log(table('training step, batch of 256×512', 'image', training, training[0]));

await mkdir(out, { recursive: true });
const series = (rows: readonly Row[]) =>
  counts.map((count, i) => ({
    name: threadsText(count),
    points: rows.map((row) => ({ x: row.unit, y: row.ms[i] })),
    line: slope(
      rows.map(({ unit }) => unit),
      rows.map((row) => row.ms[i]),
    ),
  }));
await writeFile(
  join(out, 'scaling-inference.svg'),
  linesChart({ title: 'Inference', x: 'megapixels', y: 'ms', logarithmic: true, series: series(inference) }),
);
await writeFile(
  join(out, 'scaling-training.svg'),
  linesChart({ title: 'Training step at 256×512', x: 'batch', y: 'ms', series: series(training) }),
);
