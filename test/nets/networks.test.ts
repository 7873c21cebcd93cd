/** All networks: their size, their gradients, and that they learn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Executor } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { UserError } from '../../src/errors.js';
import type { Plan } from '../../src/graph/planned.js';
import { sizeOf } from '../../src/ir/value.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';
import { initialWeights } from '../../src/nets/initialize.js';
import type { CrossEntropyAttrs } from '../../src/ops/loss.js';
import { randomBytes, seededRandom, testSeed } from '../backends/harness.js';

const seed = testSeed(70);
const none = () => 0;

/**
 * Published parameters, in millions at 19 classes, and ours. ICNet: the caffemodel of the authors has 26.8 MB. BiSeNet:
 * the paper's 49.0 and 5.8 M are not those of the authors' code, which this follows.
 */
const parameters: Readonly<Record<string, { published: number; ours: number; config?: object }>> = {
  vnet: { published: 0.16, ours: 163_091 },
  enet: { published: 0.36, ours: 364_311 },
  espnet: { published: 0.36, ours: 362_949 },
  erfnet: { published: 2.06, ours: 2_064_191 },
  segnet: { published: 29.5, ours: 29_453_971 },
  icnet: { published: 6.7, ours: 6_699_987 },
  'bisenet-r18': { published: 12.9, ours: 12_894_163 },
  'bisenet-x39': { published: 1.54, ours: 1_541_963 },
  pspnet: { published: 65.7, ours: 65_707_475 },
};

test('parameters agree with the published ones', () => {
  assert.deepEqual(Object.keys(parameters).sort(), [...networkNames].sort());
  for (const [name, { published, ours }] of Object.entries(parameters)) {
    const network = networkFromConfig(name, { classes: 19 });
    const plan = compileInference(network, { batch: 1, height: 64, width: 64, scratchBytes: none });
    assert.equal(plan.parameters, ours, name);
    assert.ok(
      Math.abs(ours / 1e6 - published) <= 0.025 * published,
      `${name}: ${ours}, published ${published} M`,
    );
  }
});

/** Narrow versions of the wide ones. */
const small: Readonly<Record<string, object>> = {
  segnet: { width: 8 },
  icnet: { keep: 0.125 },
  pspnet: { width: 8, blocks: [1, 1, 2, 1] },
};
const others = networkNames.filter((name) => name !== 'vnet');
const smallNetwork = (name: string, classes: number) => networkFromConfig(name, { classes, ...small[name] });

/** The last initial weights: large ones take seconds, and are wanted on two backends. */
let drawn: { readonly key: string; readonly weights: Map<string, Float32Array> } | undefined;

function weightsOf(plan: Plan, from: number): Map<string, Float32Array> {
  const shapes = Object.entries(plan.slots).flatMap(([name, { initial, shape }]) =>
    initial ? [name, shape, initial] : [],
  );
  const key = JSON.stringify([from, shapes]);
  if (drawn?.key !== key) drawn = { key, weights: initialWeights(plan, from) };
  return drawn.weights;
}

/** A plan with initial weights, vectors moved away from their special values, and random data, ready to run. */
async function prepared<E extends Executor>(
  prepare: (plan: Plan) => Promise<E>,
  plan: Plan,
  classes: number,
  from = seed,
): Promise<E> {
  const executor = await prepare(plan);
  const rng = seededRandom(from);
  for (const [slot, data] of weightsOf(plan, from)) {
    const fixed =
      plan.slots[slot].role === 'moment' || slot.startsWith('dropout.') || slot.endsWith('.weight');
    executor.write(slot, fixed ? data : data.map((value) => value + rng.range(-0.1, 0.1)));
  }
  executor.write('images', randomBytes(rng, plan.slots.images.shape).data as Uint8Array);
  executor.write('labels', randomBytes(rng, plan.slots.labels.shape, classes, 255).data as Uint8Array);
  return executor;
}

for (const name of others) {
  test(`${name}: the gradient of all parameters equals finite differences`, async () => {
    const rng = seededRandom(seed + 1);
    const network = smallNetwork(name, 4);
    const plan = compileTraining(network, { batch: 2, height: 45, width: 38, scratchBytes: none });
    const executor = await prepared((each) => referenceBackend.prepare(each), plan, 4);
    await executor.run('forward', 'backward');
    const gradient = executor.readFloat64('grads');
    const params = executor.readFloat64('params');
    const direction = params.map(() => rng.range(-1, 1));
    // Small, because so many parameters move at once and no rectifier may change its side.
    const step = 1e-10;
    const losses = plan.calls.filter((call) => call.op === 'crossEntropy');
    const lossAt = async (sign: number): Promise<number> => {
      executor.writeFloat64(
        'params',
        params.map((value, i) => value + sign * step * direction[i]),
      );
      if (plan.slots['dropout.step']) executor.write('dropout.step', Float32Array.of(0));
      await executor.run('forward');
      return losses.reduce((sum, call) => {
        const { weight = 1 } = call.attrs as CrossEntropyAttrs;
        return sum + weight * executor.readFloat64(call.label)[0];
      }, 0);
    };
    const numeric = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
    const exact = gradient.reduce((sum, g, i) => sum + g * direction[i], 0);
    assert.ok(
      Math.abs(exact - numeric) <= 1e-4 * Math.abs(numeric) + 1e-4,
      `${exact}, differences ${numeric}`,
    );
  });

  test(`${name}: a step on wasm is that of float64`, async () => {
    // Rounding moves a few of many rectifiers and maxima to their other side, and where batch statistics are of a dozen pixels
    // that shows in all gradients. What is wrong is so with every seed. Kernels are compared one by one elsewhere.
    const errors: number[] = [];
    for (let from = seed + 1; from <= seed + 3; from++) {
      errors.push(await errorOfStep(name, from));
      if (errors[errors.length - 1] <= 0.03) return;
    }
    assert.fail(`relative errors of the gradient from seed ${seed + 1} on: ${errors.join(', ')}`);
  });
}

/** Of a training step on CPU cores: the norm of its gradient minus that in float64, by the norm of the latter. */
async function errorOfStep(name: string, from: number): Promise<number> {
  const network = smallNetwork(name, 5);
  const results: { loss: number; grads: Float32Array }[] = [];
  for (const backend of [referenceBackend, wasmBackend]) {
    // ICNet's lowest branch has 1/64 of the sides: its batch statistics need more than a handful of pixels, or rounding
    // in one of them turns rectifiers over.
    const [height, width] = name === 'icnet' ? [135, 210] : [45, 70];
    const size = { batch: 2, height, width, scratchBytes: backend.scratchBytes };
    const plan = compileTraining(network, size);
    const executor = await prepared((each) => backend.prepare(each, { threads: 1 }), plan, 5, from);
    await executor.run('forward', 'backward');
    const [loss] = await executor.read('loss');
    results.push({ loss, grads: (await executor.read('grads')) as Float32Array });
    await executor.dispose();
  }
  const [expected, actual] = results;
  assert.ok(
    Math.abs(actual.loss - expected.loss) <= 1e-4 * expected.loss,
    `${actual.loss}, ${expected.loss}`,
  );
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, g) => sum + g * g, 0));
  return norm(actual.grads.map((g, i) => g - expected.grads[i])) / norm(expected.grads);
}

/** Steps of Adam that each may take, and their first rate: dropout and a deep way without shortcuts take more. */
const lessons: Readonly<Record<string, { steps: number; rate: number }>> = {
  vnet: { steps: 60, rate: 3e-3 },
  enet: { steps: 150, rate: 6e-3 },
  espnet: { steps: 150, rate: 6e-3 },
  erfnet: { steps: 130, rate: 6e-3 },
  segnet: { steps: 260, rate: 3e-3 },
  icnet: { steps: 60, rate: 3e-3 },
  'bisenet-r18': { steps: 40, rate: 3e-3 },
  'bisenet-x39': { steps: 40, rate: 3e-3 },
  pspnet: { steps: 60, rate: 3e-3 },
};

for (const name of networkNames) {
  test(`${name}: learns four pictures by heart`, async (t) => {
    const { accuracy, losses } = await overfit(name);
    const [first, last] = [losses[0], losses[losses.length - 1]].map((loss) => loss.toFixed(3));
    const percent = (100 * accuracy).toFixed(1);
    t.diagnostic(`${name}: ${losses.length} steps, loss ${first} to ${last}, ${percent} % of the pixels`);
    assert.ok(isLearnt(accuracy, losses), `${accuracy} of the pixels, loss ${first} to ${last}`);
  });
}

const isLearnt = (accuracy: number, losses: readonly number[]): boolean =>
  accuracy > 0.9 && losses[losses.length - 1] < 0.5 * losses[0];

/** Rectangles on rectangles, the colour of each its class; the share of pixels right once it has learnt them, or after all steps. */
async function overfit(name: string): Promise<{ accuracy: number; losses: number[] }> {
  const [batch, height, width, classes] = [4, 48, 64, 4];
  const network = smallNetwork(name, classes);
  const images = new Uint8Array(batch * height * width * 3);
  const labels = new Uint8Array(batch * height * width);
  const rng = seededRandom(seed);
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < 6; i++) {
      const [top, left] = i === 0 ? [0, 0] : [rng.int(height - 16), rng.int(width - 16)];
      const [bottom, right] = i === 0 ? [height, width] : [top + 16 + rng.int(24), left + 16 + rng.int(32)];
      const label = rng.int(classes);
      for (let y = top; y < Math.min(bottom, height); y++) {
        for (let x = left; x < Math.min(right, width); x++) {
          const at = (n * height + y) * width + x;
          labels[at] = label;
          for (let c = 0; c < 3; c++) images[3 * at + c] = 60 * ((label + c) % 4) + rng.int(30);
        }
      }
    }
  }
  const { scratchBytes } = wasmBackend;
  const plan = compileTraining(network, { batch, height, width, scratchBytes });
  const training = await wasmBackend.prepare(plan, { threads: 1 });
  for (const [slot, data] of initialWeights(plan, seed)) training.write(slot, data);
  training.write('images', images);
  training.write('labels', labels);
  const inference = compileInference(network, { batch, height, width, scratchBytes });
  const executor = await wasmBackend.prepare(inference, { threads: 1 });
  executor.write('images', images);
  const share = async (): Promise<number> => {
    for (const [slot, { initial }] of Object.entries(inference.slots)) {
      if (initial) executor.write(slot, (await training.read(slot)) as Float32Array);
    }
    await executor.run('prepare', 'forward');
    const prediction = await executor.read('prediction');
    return labels.reduce((sum, label, i) => sum + (label === prediction[i] ? 1 : 0), 0) / labels.length;
  };
  const { steps, rate: highest } = lessons[name];
  const losses: number[] = [];
  let accuracy = 0;
  for (let t = 1; t <= steps; t++) {
    const rate = highest * (1 - (t - 1) / steps) ** 0.9;
    training.write('hyper', Float32Array.of(rate, 0.9, 0.999, 1e-8, 0, 0, 1 - 0.9 ** t, 1 - 0.999 ** t));
    await training.run('forward', 'backward', 'update');
    losses.push((await training.read('loss'))[0]);
    if (t % 10 > 0 && t < steps) continue;
    accuracy = await share();
    if (isLearnt(accuracy, losses)) break;
  }
  await training.dispose();
  await executor.dispose();
  return { accuracy, losses };
}

test('espnet: of fewer than five classes, too, the decoder hears every level of the encoder', async () => {
  for (const classes of [2, 4, 5]) {
    const plan = compileTraining(networkFromConfig('espnet', { classes }), {
      ...{ batch: 1, height: 40, width: 48, scratchBytes: none },
    });
    const executor = await prepared((each) => referenceBackend.prepare(each), plan, classes);
    await executor.run('forward', 'backward');
    const gradient = executor.readFloat64('grads');
    for (const slot of Object.values(plan.slots)) {
      if (!slot.name.endsWith('.conv.weight')) continue;
      const first = (slot.offset - plan.flatParams.offset) / 4;
      const size = sizeOf(slot.shape);
      assert.ok(size > 0, `${slot.name} of ${classes} classes is empty`);
      const moves = gradient.subarray(first, first + size).some((g) => g !== 0);
      assert.ok(moves, `${slot.name} of ${classes} classes changes nothing`);
    }
  }
});

test('plans of every network at 1024×2048 are made in less than two seconds of processor time', (t) => {
  for (const name of networkNames) {
    const network = networkFromConfig(name, { classes: 19 });
    for (const mode of ['train', 'infer'] as const) {
      const before = process.cpuUsage();
      const size = { height: 1024, width: 2048, scratchBytes: wasmBackend.scratchBytes };
      if (mode === 'train') compileTraining(network, { batch: 4, ...size });
      else compileInference(network, { batch: 1, ...size });
      const { user, system } = process.cpuUsage(before);
      const seconds = (user + system) / 1e6;
      t.diagnostic(`${name}, ${mode}: ${seconds.toFixed(2)} s`);
      assert.ok(seconds < 2, `${name}, ${mode}: ${seconds} s`);
    }
  }
});

test('every number of a configuration has an upper end, which is refused at once', () => {
  /** A configuration with one of its numbers replaced, for each of them. */
  function* enlarged(value: unknown): Generator<unknown> {
    if (typeof value === 'number') yield 1e9;
    else if (Array.isArray(value)) {
      yield Array.from({ length: 100_000 }, () => value[0]);
      for (const [i, each] of value.entries()) for (const large of enlarged(each)) yield value.with(i, large);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, each] of Object.entries(value))
        for (const large of enlarged(each)) yield { ...value, [key]: large };
    }
  }
  let tried = 0;
  for (const name of networkNames) {
    // Offsets and factors of pixel values take no memory, whatever they are.
    const { normalization, ...config } = networkFromConfig(name, { classes: 19 }).config as Record<
      string,
      unknown
    >;
    for (const large of enlarged(config)) {
      const start = performance.now();
      assert.throws(
        () => networkFromConfig(name, large as object),
        UserError,
        JSON.stringify(large).slice(0, 200),
      );
      assert.ok(performance.now() - start < 1000);
      tried++;
    }
  }
  assert.ok(tried > 20);
});
