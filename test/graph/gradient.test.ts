import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReferenceExecutor } from '../../src/backends/reference/index.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { TrainingOptions } from '../../src/compile.js';
import { compileTraining } from '../../src/compile.js';
import type { Policy } from '../../src/graph/differentiate.js';
import { policies } from '../../src/graph/differentiate.js';
import { sizeOf } from '../../src/ir/value.js';
import { initialWeights } from '../../src/nets/initialize.js';
import type { VNetOptions } from '../../src/nets/vnet.js';
import { vnet } from '../../src/nets/vnet.js';
import { randomBytes, seededRandom, testSeed } from '../backends/harness.js';

const seed = testSeed(20);

/** A prepared training step with random weights (every vector away from its special initial value) and data. */
async function trainingStep(
  net: VNetOptions,
  options: Omit<TrainingOptions, 'scratchBytes'>,
): Promise<ReferenceExecutor> {
  const rng = seededRandom(seed);
  const plan = compileTraining(vnet(net), { ...options, scratchBytes: () => 0 });
  const executor = await referenceBackend.prepare(plan);
  for (const [name, data] of initialWeights(plan, seed)) {
    const noisy = Float64Array.from(
      data,
      (value) => value + (plan.slots[name].role === 'moment' ? 0 : rng.range(-0.1, 0.1)),
    );
    executor.writeFloat64(name, noisy);
  }
  const { images, labels, classWeights } = plan.slots;
  executor.write('images', randomBytes(rng, images.shape).data as Uint8Array);
  executor.write('labels', randomBytes(rng, labels.shape, net.classes, 255).data as Uint8Array);
  if (classWeights) {
    executor.writeFloat64(
      'classWeights',
      Float64Array.from({ length: net.classes }, () => rng.range(0.5, 2)),
    );
  }
  return executor;
}

const small: VNetOptions = { classes: 5, stem: 4, widths: [14, 34], alpha: 1, beta: 2 };

for (const policy of policies) {
  test(`whole VNet: gradient of ${policy} equals finite differences`, async () => {
    const executor = await trainingStep(small, {
      batch: 2,
      height: 37,
      width: 45,
      policy,
      labelSmoothing: 0.1,
      classWeights: true,
    });
    await executor.run('forward', 'backward');
    const params = Object.entries(executor.plan.slots).filter(
      ([name, slot]) => slot.role === 'param' && name !== 'params',
    );
    const rng = seededRandom(seed + 1);
    const lossAt = async (name: string, values: Float64Array): Promise<number> => {
      executor.writeFloat64(name, values);
      await executor.run('forward');
      return executor.readFloat64('loss')[0];
    };
    // One random direction per tensor: a wrong gradient anywhere in it shows.
    const gradients = new Map(params.map(([name]) => [name, executor.readFloat64(`${name}.grad`)]));
    for (const [name, slot] of params) {
      const values = executor.readFloat64(name);
      const direction = Float64Array.from({ length: sizeOf(slot.shape) }, () => rng.range(-1, 1));
      const step = 1e-6;
      const moved = (sign: number) => values.map((value, i) => value + sign * step * direction[i]);
      const numeric = ((await lossAt(name, moved(1))) - (await lossAt(name, moved(-1)))) / (2 * step);
      executor.writeFloat64(name, values);
      const exact = gradients.get(name)!.reduce((sum, g, i) => sum + g * direction[i], 0);
      const error = Math.abs(exact - numeric);
      assert.ok(
        error <= 1e-6 + 1e-4 * Math.abs(numeric),
        `${name}: gradient ${exact}, differences ${numeric}`,
      );
    }
  });
}

for (const [title, shape] of [
  ['deeper stages', { alpha: 2, beta: 3 }],
  ['two pairs in F and G', { pairs: 2 }],
] as const) {
  test(`reversible, checkpoint and save give the same gradients, in float64 to 1e-10: ${title}`, async () => {
    const results: Float64Array[] = [];
    for (const policy of policies satisfies readonly Policy[]) {
      const executor = await trainingStep(
        { ...small, ...shape },
        { batch: 2, height: 40, width: 51, policy },
      );
      await executor.run('forward', 'backward');
      results.push(executor.readFloat64('grads'));
    }
    const largest = results[2].reduce((max, g) => Math.max(max, Math.abs(g)), 0);
    assert.ok(largest > 1e-3);
    for (const gradient of results.slice(0, 2)) {
      gradient.forEach((g, i) => {
        assert.ok(
          Math.abs(g - results[2][i]) <= 1e-10 * largest,
          `element ${i}: ${g}, save ${results[2][i]}`,
        );
      });
    }
  });
}

test('a sum of losses has the sum of their gradients, by their shares', async () => {
  const gradient = async (losses: TrainingOptions['losses']) => {
    const executor = await trainingStep(small, { batch: 2, height: 40, width: 51, losses, policy: 'save' });
    await executor.run('forward', 'backward');
    return { grads: executor.readFloat64('grads'), slots: executor.plan.slots };
  };
  for (const sum of [
    [{ kind: 'ce' }, { kind: 'lovasz', weight: 0.5 }],
    [{ kind: 'focal', gamma: 1.5, weight: 3 }, { kind: 'boundary' }, { kind: 'dice', weight: 0.2 }],
  ] satisfies TrainingOptions['losses'][]) {
    const whole = await gradient(sum);
    const parts = await Promise.all(sum.map((term) => gradient([{ ...term, weight: 1 }])));
    const shares = sum.map(({ weight = 1 }: { weight?: number }) => weight);
    const largest = whole.grads.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
    assert.ok(largest > 1e-3);
    whole.grads.forEach((g, i) => {
      const expected = parts.reduce((total, { grads }, k) => total + shares[k] * grads[i], 0);
      assert.ok(Math.abs(g - expected) <= 1e-10 * largest, `element ${i}: ${g}, ${expected}`);
    });
    assert.deepEqual(
      sum.map((_, i) => whole.slots[i === 0 ? 'loss' : `loss.${i + 1}`].shape),
      sum.map(() => [1, 1, 1, 2]),
    );
  }
});
