/** Whole-network parity against the float64 reference, for every fast backend. */
import assert from 'node:assert/strict';
import type { Backend, BackendOptions } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { InferenceOptions, TrainingOptions } from '../../src/compile.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import type { Plan } from '../../src/graph/planned.js';
import { initialWeights } from '../../src/nets/initialize.js';
import type { Network } from '../../src/nets/network.js';
import { assertClose, randomBytes, seededRandom } from './harness.js';

/** Values of a step: `loss`, `grads`, `params` after the update, and every running statistic. */
export type StepResult = ReadonlyMap<string, Float32Array>;

/** Initial weights moved away from their special values (0, 1, ¼), the same for every backend and policy. */
export function perturbedWeights(plan: Plan, seed: number): Map<string, Float32Array> {
  const weights = initialWeights(plan, seed);
  for (const [name, data] of weights) {
    if (plan.slots[name].role === 'moment') continue;
    const rng = seededRandom(seed + name.length);
    data.forEach((value, i) => {
      data[i] = value + rng.range(-0.1, 0.1);
    });
  }
  return weights;
}

/** One training step (forward, backward, Adam) on random data made from the seed. */
export async function trainingStep(
  backend: Backend,
  net: Network,
  options: Omit<TrainingOptions, 'scratchBytes'>,
  seed: number,
  backendOptions?: BackendOptions,
): Promise<StepResult> {
  const plan = compileTraining(net, { ...options, scratchBytes: backend.scratchBytes });
  const executor = await backend.prepare(plan, backendOptions);
  try {
    const weights = perturbedWeights(plan, seed);
    for (const [name, data] of weights) executor.write(name, data);
    const rng = seededRandom(seed);
    executor.write('images', randomBytes(rng, plan.slots.images.shape).data as Uint8Array);
    executor.write('labels', randomBytes(rng, plan.slots.labels.shape, net.classes, 255).data as Uint8Array);
    executor.write('hyper', Float32Array.of(1e-3, 0.9, 0.999, 1e-8, 1e-4, 0, 0.1, 0.001));
    await executor.run('forward', 'backward', 'update');
    const results = new Map<string, Float32Array>();
    for (const name of ['loss', 'grads', ...weights.keys()]) {
      results.set(name, (await executor.read(name)) as Float32Array);
    }
    return results;
  } finally {
    await executor.dispose();
  }
}

/**
 * Compares two steps: loss to 1e-5, gradients and statistics to `relative` of their largest value. The updated
 * params are left out: Adam's first step is the sign of the gradient, which rounding may flip where it is zero.
 */
export function assertSameStep(
  actual: StepResult,
  expected: StepResult,
  relative: number,
  label: string,
): void {
  for (const [name, values] of expected) {
    const state = name.endsWith('.mean') || name.endsWith('.variance');
    if (name !== 'loss' && name !== 'grads' && !state) continue;
    assertClose(actual.get(name)!, values, {
      relative: name === 'loss' ? 1e-5 : relative,
      absolute: 1e-6,
      label: `${label}: ${name}`,
    });
  }
}

/** Coarse logits of folded inference, or labels at full size. */
export async function inference(
  backend: Backend,
  net: Network,
  size: readonly [batch: number, height: number, width: number],
  output: 'logits' | 'labels',
  seed: number,
  options: Pick<InferenceOptions, 'precision'> = {},
): Promise<Float32Array | Uint8Array> {
  const [batch, height, width] = size;
  const { scratchBytes } = backend;
  const plan = compileInference(net, { batch, height, width, output, scratchBytes, ...options });
  const executor = await backend.prepare(plan);
  try {
    for (const [name, data] of perturbedWeights(plan, seed)) {
      executor.write(name, name.endsWith('.variance') ? data.map((v) => Math.abs(v) + 0.5) : data);
    }
    const rng = seededRandom(seed);
    executor.write('images', randomBytes(rng, plan.slots.images.shape).data as Uint8Array);
    await executor.run('prepare', 'forward');
    return await executor.read(output === 'logits' ? 'logits' : 'prediction');
  } finally {
    await executor.dispose();
  }
}

/** The float64 step to compare with. */
export const referenceStep = (
  net: Network,
  options: Omit<TrainingOptions, 'scratchBytes'>,
  seed: number,
): Promise<StepResult> => trainingStep(referenceBackend, net, options, seed);

/** Share of equal labels. */
export function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return equal / a.length;
}
