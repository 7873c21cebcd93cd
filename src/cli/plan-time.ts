import { median } from '../median.js';
import type { Network } from '../nets/index.js';
import { hyperOf } from '../optimizers/index.js';
import { formatDuration } from '../report/format.js';
import type { CompileOptions } from '../run.js';
import { compile } from '../run.js';
import pc from './colour.js';

/** What `vnet plan --time` is asked. */
export interface TimeOptions {
  readonly epochs: number;
  /** Of the training split. */
  readonly images: number;
  readonly batch: number;
}

/** Seconds: median, fastest and slowest. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface PlanTime {
  readonly stepSeconds: Spread;
  readonly measuredSteps: number;
  /** Of a recipe; absent for inference. */
  readonly recipe?: { readonly steps: number; readonly seconds: Spread } & TimeOptions;
}

/** Longest time to measure, after the first step. */
const mostSeconds = 20;
const mostSteps = 7;

/** Runs a few steps on this machine, and says how long a recipe takes at that pace. */
export async function measureTime(
  network: Network,
  how: CompileOptions,
  { epochs, images, batch }: TimeOptions,
): Promise<PlanTime> {
  const executor = await compile(network, how);
  const seconds: number[] = [];
  try {
    const training = how.mode === 'train';
    const phases = training ? (['forward', 'backward', 'update'] as const) : (['forward'] as const);
    const { images: slot } = executor.plan.slots;
    executor.write(
      'images',
      new Uint8Array(slot.shape.reduce((a, b) => a * b)).map((_, i) => (i * 7919) >> 5),
    );
    if (training) executor.write('hyper', hyperOf({ kind: 'adam' }, 0, 1));
    const began = performance.now();
    // The first step touches all memory and does not count.
    for (let i = 0; i <= mostSteps; i++) {
      const start = performance.now();
      await executor.run(...phases);
      await executor.read(training ? 'loss' : 'prediction');
      if (i > 0) seconds.push((performance.now() - start) / 1000);
      if (i > 1 && performance.now() - began > 1000 * mostSeconds) break;
    }
  } finally {
    await executor.dispose();
  }
  const stepSeconds = {
    median: median(seconds),
    least: Math.min(...seconds),
    most: Math.max(...seconds),
  };
  if (how.mode !== 'train') return { stepSeconds, measuredSteps: seconds.length };
  const steps = epochs * Math.floor(images / batch);
  const times = (factor: number): Spread => ({
    median: stepSeconds.median * factor,
    least: stepSeconds.least * factor,
    most: stepSeconds.most * factor,
  });
  const recipe = { epochs, images, batch, steps, seconds: times(steps) };
  return { stepSeconds, measuredSteps: seconds.length, recipe };
}

export function renderTime({ stepSeconds, measuredSteps, recipe }: PlanTime): string {
  const step = `${pc.bold(formatDuration(stepSeconds.median))} (${formatDuration(stepSeconds.least)} to ${formatDuration(stepSeconds.most)}, ${measuredSteps} measured)`;
  if (!recipe) return `time of a run   ${step}`;
  const { epochs, images, batch, steps, seconds } = recipe;
  return [
    `time of a step  ${step}`,
    `the recipe      ${pc.bold(longTime(seconds.median))} (${longTime(seconds.least)} to ${longTime(seconds.most)})`,
    pc.dim(
      `${epochs} epochs of ${images} images in batches of ${batch}, ${steps} steps; without validations, and as long as images are decoded in time`,
    ),
  ].join('\n');
}

/** `5.3 days`, `31 h`, or as short durations are told. */
function longTime(seconds: number): string {
  const hours = seconds / 3600;
  if (hours >= 48) return `${(hours / 24).toFixed(1)} days`;
  return hours >= 10 ? `${hours.toFixed(0)} h` : formatDuration(seconds);
}
