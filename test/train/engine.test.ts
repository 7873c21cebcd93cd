import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBatch } from '../../src/backends/memory.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Precision } from '../../src/compile.js';
import { compileTraining, LOSS_SCALE } from '../../src/compile.js';
import { Rng } from '../../src/data/rng.js';
import { MemoryError } from '../../src/errors.js';
import { initialWeights } from '../../src/nets/initialize.js';
import { vnet } from '../../src/nets/vnet.js';
import type { OptimizerOptions } from '../../src/optimizers/index.js';
import { optimizerNames } from '../../src/optimizers/index.js';
import { NonFiniteError, TrainingEngine } from '../../src/train/engine.js';

const network = vnet({ classes: 3, alpha: 1, beta: 0, stem: 4, widths: [8, 12], pyramid: [3] });

async function makeEngine(
  optimizer: OptimizerOptions,
  precision?: Precision,
  decay?: number,
  classWeights = false,
) {
  const plan = compileTraining(network, {
    ...{ batch: 1, height: 32, width: 32, precision },
    ...{ optimizer: optimizer.kind, average: decay !== undefined, classWeights },
    scratchBytes: () => 0,
  });
  const executor = await referenceBackend.prepare(plan);
  const engine = new TrainingEngine(executor, optimizer, decay);
  engine.writeWeights(initialWeights(plan, 1));
  return { engine, executor, plan };
}

/** @param labelled share of the pixels that have a label. */
function randomBatch(seed: number, labelled = 1) {
  const rng = Rng.of(seed);
  const images = Uint8Array.from({ length: 32 * 32 * 3 }, () => rng.int(256));
  const labels = Uint8Array.from({ length: 32 * 32 }, () => (rng.chance(labelled) ? rng.int(3) : 255));
  return { images, labels };
}

const largestGap = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((gap, value, i) => Math.max(gap, Math.abs(value - b[i])), 0);

test('accumulated gradients are the mean over all labelled pixels of the batches', async () => {
  const batches = [randomBatch(1), randomBatch(2, 0.1), randomBatch(3, 0)];
  const { engine, executor } = await makeEngine({ kind: 'sgd', momentum: 0, weightDecay: 0 });
  const losses: number[] = [];
  const counts: number[] = [];
  const grads: Float32Array[] = [];
  for (const { images, labels } of batches) {
    executor.write('images', images);
    executor.write('labels', labels);
    await executor.run('forward', 'backward');
    losses.push((await executor.read('loss'))[0]);
    grads.push((await executor.read('grads')) as Float32Array);
    counts.push(labels.filter((label) => label !== 255).length);
  }
  assert.equal(counts[2], 0);
  const before = (await executor.read('params')) as Float32Array;
  const { loss, gradientNorm } = await engine.step(engine.gradientsOf(batches), 0.5, 1);
  const total = counts[0] + counts[1];
  const mean = grads[0].map((g, i) => (g * counts[0] + grads[1][i] * counts[1]) / total);
  const after = (await executor.read('params')) as Float32Array;
  const expected = before.map((p, i) => p - 0.5 * mean[i]);
  assert.ok(largestGap(after, expected) < 1e-6);
  assert.ok(Math.abs(loss - (losses[0] * counts[0] + losses[1] * counts[1]) / total) < 1e-6);
  assert.ok(Math.abs(gradientNorm - Math.hypot(...mean)) < 1e-5 * gradientNorm);
});

test('Adam after accumulation uses the mean too', async () => {
  const batch = randomBatch(4);
  const one = await makeEngine({ kind: 'adam' });
  const two = await makeEngine({ kind: 'adam' });
  await one.engine.step(one.engine.gradientsOf([batch]), 0.01, 1);
  await two.engine.step(two.engine.gradientsOf([batch, batch]), 0.01, 1);
  const first = (await one.executor.read('params')) as Float32Array;
  assert.ok(largestGap(first, await two.executor.read('params')) < 1e-6);
  assert.ok(largestGap(first, initialFlat(one.plan)) > 0.005);
});

function initialFlat(plan: Awaited<ReturnType<typeof makeEngine>>['plan']): Float32Array {
  const flat = new Float32Array(plan.flatParams.length);
  for (const [name, data] of initialWeights(plan, 1)) {
    const slot = plan.slots[name];
    if (slot.role === 'param') flat.set(data, (slot.offset - plan.flatParams.offset) / 4);
  }
  return flat;
}

test('SGD with momentum and weight decay follows its formula, step by step', async () => {
  const { engine, executor } = await makeEngine({ kind: 'sgd', momentum: 0.5, weightDecay: 0.25 });
  let velocity: number[] = [];
  for (let t = 1; t <= 3; t++) {
    const before = await executor.read('params');
    await engine.step(engine.gradientsOf([randomBatch(t)]), 0.1, t);
    const grads = await executor.read('grads');
    velocity = Array.from(before, (p, i) => 0.5 * (velocity[i] ?? 0) + grads[i] + 0.25 * p);
    assert.ok(largestGap(await executor.read('sgd.velocity'), velocity) < 1e-6);
    const expected = Array.from(before, (p, i) => p - 0.1 * velocity[i]);
    assert.ok(largestGap(await executor.read('params'), expected) < 1e-6);
  }
});

test('a plan has the moments of its optimiser and no others', async () => {
  const momentsOf = ({ plan }: Awaited<ReturnType<typeof makeEngine>>) =>
    Object.keys(plan.slots).filter((name) => plan.slots[name].role === 'moment');
  const [adam, sgd] = [await makeEngine({ kind: 'adam' }), await makeEngine({ kind: 'sgd' })];
  assert.deepEqual(momentsOf(adam), ['adam.m', 'adam.v']);
  assert.deepEqual(momentsOf(sgd), ['sgd.velocity']);
  assert.ok(sgd.plan.persistentBytes < adam.plan.persistentBytes - 3 * sgd.plan.flatParams.length);
  assert.throws(() => new TrainingEngine(sgd.executor, { kind: 'adam' }), /the plan is not one of adam/);
  const foreign = { kind: 'adam', momentum: 0.9 } as OptimizerOptions;
  const other = new TrainingEngine(adam.executor, foreign);
  await assert.rejects(other.step(other.gradientsOf([randomBatch(1)]), 1, 1), {
    message: 'adam has no momentum: it has beta1, beta2, eps, weightDecay',
  });
});

test('the weight average follows its formula, and goes on from a stored one', async () => {
  const a = await makeEngine({ kind: 'adam' }, 'f32', 0.5);
  let expected = await a.engine.readWeights();
  for (let t = 1; t <= 4; t++) {
    await a.engine.step(a.engine.gradientsOf([randomBatch(t)]), 0.01, t);
    const decay = Math.min(0.5, t / (9 + t));
    const now = await a.engine.readWeights();
    expected = new Map(
      [...expected].map(([name, { shape, data }]) => {
        const next = data.map((value, i) => decay * value + (1 - decay) * now.get(name)!.data[i]);
        return [name, { shape, data: next }];
      }),
    );
  }
  const average = await a.engine.average!.read();
  assert.deepEqual([...average.keys()], [...expected.keys()]);
  for (const [name, { shape, data }] of average) {
    assert.deepEqual(shape, expected.get(name)!.shape);
    assert.ok(largestGap(data, expected.get(name)!.data) < 1e-6, name);
  }
  const changed = (await a.engine.readWeights()).get('stem.norm1.variance')!;
  assert.ok(largestGap(changed.data, average.get('stem.norm1.variance')!.data) > 0);

  const b = await makeEngine({ kind: 'adam' }, 'f32', 0.5);
  const weights = await a.engine.readWeights();
  b.engine.writeWeights(new Map([...weights].map(([name, { data }]) => [name, data])));
  b.engine.writeOptimizer(await a.engine.readOptimizer());
  b.engine.average!.write(average, a.engine.average!.updates);
  for (const { engine } of [a, b]) await engine.step(engine.gradientsOf([randomBatch(5)]), 0.01, 5);
  const [goneOn, resumed] = [await a.engine.average!.read(), await b.engine.average!.read()];
  for (const [name, { data }] of goneOn) assert.ok(largestGap(data, resumed.get(name)!.data) < 1e-6, name);
});

test('weights and moments read are those that were written', async () => {
  for (const kind of ['adam', 'sgd'] as const) {
    const a = await makeEngine({ kind });
    const b = await makeEngine({ kind });
    for (let t = 1; t <= 2; t++) await a.engine.step(a.engine.gradientsOf([randomBatch(t)]), 0.01, t);
    const weights = await a.engine.readWeights();
    b.engine.writeWeights(new Map([...weights].map(([name, { data }]) => [name, data])));
    b.engine.writeOptimizer(await a.engine.readOptimizer());
    assert.deepEqual(await b.engine.readWeights(), weights);
    const moments = await b.engine.readOptimizer();
    assert.deepEqual(moments, await a.engine.readOptimizer());
    assert.ok([...moments.values()].some(({ data }) => data.some((value) => value !== 0)));
    assert.equal(b.engine.misfit(weights), undefined);
    const less = new Map([...weights].filter(([name]) => name !== 'head.bias'));
    assert.match(b.engine.misfit(less) ?? '', /^it has no head.bias, the network head.bias as 1×1×1×3$/);
  }
});

test('a gradient that is not finite is reported, and updates nothing', async () => {
  for (const kind of optimizerNames) {
    const { engine, executor } = await makeEngine({ kind }, 'f32', undefined, true);
    const weigh = (weight: number) => executor.write('classWeights', Float32Array.of(1, weight, 1));
    const held = async () => [await executor.read('params'), await engine.readOptimizer()];
    weigh(1);
    await (await engine.begin(randomBatch(4), 0.01, 1)).result;
    const before = await held();
    weigh(Number.POSITIVE_INFINITY);
    await assert.rejects((await engine.begin(randomBatch(1), 0.01, 2)).result, NonFiniteError);
    assert.deepEqual(await held(), before);
    const grads = new Float32Array(executor.plan.flatParams.length);
    grads[7] = Number.NaN;
    async function* elsewhere() {
      yield { loss: 1, weight: 1, grads, statistics: new Float32Array(engine.runningLength) };
    }
    await assert.rejects(engine.step(elsewhere(), 0.01, 2), NonFiniteError);
    assert.deepEqual(await held(), before);
    // Later steps are steps again.
    weigh(1);
    assert.ok((await (await engine.begin(randomBatch(1), 0.01, 2)).result).gradientNorm > 0);
    assert.notDeepEqual(await held(), before);
  }
});

test('a step as one run gives the bits and figures of a step on the gradient of its batch', async () => {
  for (const kind of optimizerNames) {
    const [a, b] = [await makeEngine({ kind }, 'f32', 0.9), await makeEngine({ kind }, 'f32', 0.9)];
    for (let t = 1; t <= 3; t++) {
      const apart = await a.engine.step(a.engine.gradientsOf([randomBatch(t)]), 0.01, t);
      const whole = await (await b.engine.begin(randomBatch(t), 0.01, t)).result;
      assert.deepEqual(whole, apart);
    }
    assert.deepEqual(await b.engine.readWeights(), await a.engine.readWeights());
    assert.deepEqual(await b.engine.readOptimizer(), await a.engine.readOptimizer());
    assert.deepEqual(await b.engine.average!.read(), await a.engine.average!.read());
  }
});

test('a batch that does not fit the memory: how much it needs, and which fits', () => {
  const planBytes = (batch: number) => batch * 100 * 2 ** 20;
  checkBatch(4, planBytes, 650 * 2 ** 20);
  assert.throws(
    () => checkBatch(8, planBytes, 700 * 2 ** 20),
    (error) =>
      error instanceof MemoryError &&
      error.message === 'batch 8 needs 1050 MiB of memory but 700 MiB are available: `batch: 4` fits' &&
      error.needed === 1050 * 2 ** 20 &&
      error.usable === 700 * 2 ** 20,
  );
  assert.throws(() => checkBatch(2, planBytes, 300 * 2 ** 20), /choose smaller images, as no batch fits/);
});

test('float16: the loss scale changes nothing but rounding, and is halved until the gradient is finite', async () => {
  const batch = randomBatch(6);
  const whole = await makeEngine({ kind: 'adam' });
  const { gradientNorm } = await whole.engine.step(whole.engine.gradientsOf([batch]), 1e-3, 1);
  const half = await makeEngine({ kind: 'adam' }, 'f16');
  const good = await half.engine.step(half.engine.gradientsOf([batch]), 1e-3, 1);
  assert.ok(Math.abs(good.gradientNorm - gradientNorm) < 2e-2 * gradientNorm);
  assert.deepEqual(half.engine.lossScale?.state, { scale: LOSS_SCALE, steps: 1 });

  const overflowing = await makeEngine({ kind: 'adam' }, 'f16');
  overflowing.engine.lossScale!.state = { scale: 2 ** 40, steps: 1500 };
  const { gradientNorm: norm } = await overflowing.engine.step(
    overflowing.engine.gradientsOf([batch]),
    1e-3,
    1,
  );
  const { scale, steps } = overflowing.engine.lossScale!.state;
  assert.ok(scale < 2 ** 40 && scale > 2 ** 10, `${scale}`);
  assert.equal(steps, 1);
  assert.ok(Math.abs(norm - gradientNorm) < 2e-2 * gradientNorm);
  const again = await makeEngine({ kind: 'adam' }, 'f16');
  again.engine.lossScale!.state = { scale, steps: 0 };
  await again.engine.step(again.engine.gradientsOf([batch]), 1e-3, 1);
  const inOne = await makeEngine({ kind: 'adam' }, 'f16');
  inOne.engine.lossScale!.state = { scale: 2 ** 40, steps: 1500 };
  assert.equal((await (await inOne.engine.begin(batch, 1e-3, 1)).result).gradientNorm, norm);
  assert.deepEqual(inOne.engine.lossScale!.state, { scale, steps: 1 });
  const [a, b, c] = await Promise.all(
    [overflowing, again, inOne].map(({ executor }) => executor.read('params')),
  );
  assert.deepEqual(a, b);
  assert.deepEqual(c, b);

  again.engine.lossScale!.state = { scale: 1024, steps: 1999 };
  await again.engine.step(again.engine.gradientsOf([batch]), 1e-3, 2);
  assert.deepEqual(again.engine.lossScale!.state, { scale: 2048, steps: 0 });
});
