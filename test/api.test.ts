import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { CompileOptions, TrainEvent } from '../src/index.js';
import {
  compile,
  evaluate,
  hyperOf,
  initialWeights,
  listGpus,
  loadModel,
  openDataset,
  openDevice,
  Predictor,
  predict,
  renderScene,
  train,
  UserError,
  vnet,
  wasmBackend,
  writeSynthetic,
} from '../src/index.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-api-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const data = path.join(folder, 'scenes');
const size = { height: 48, width: 64 };

test('the package is found by its name, as a user imports it', async () => {
  // Not a literal: the compiler would look for the build before there is one.
  const name = 'vnet-segmentation';
  const found = (await import(name)) as typeof import('../src/index.js');
  const here = await import('../src/index.js');
  assert.deepEqual(Object.keys(found).sort(), Object.keys(here).sort());
  assert.equal(found.train, train);
  await assert.rejects(import(`${name}/build/src/run.js`), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
});

test('compile, infer: labels of an image, the same on every thread count and on the reference', async () => {
  const { image } = renderScene(3, 0, size.height, size.width);
  const labels = async (place: Pick<CompileOptions, 'device' | 'threads'>) => {
    const options: CompileOptions = { mode: 'infer', batch: 1, ...size, ...place, seed: 4 };
    const executor = await compile(vnet({ classes: 5 }), options);
    try {
      executor.write('images', image.data);
      await executor.run('forward');
      return (await executor.read('prediction')) as Uint8Array;
    } finally {
      await executor.dispose();
    }
  };
  const one = await labels({ threads: 1 });
  assert.equal(one.length, size.height * size.width);
  assert.ok(one.every((id) => id < 5));
  assert.ok(new Set(one).size > 1, 'more than one class');
  assert.deepEqual(await labels({ device: wasmBackend, threads: 3 }), one);
  const reference = await labels({ device: 'reference' });
  const same = reference.filter((id, i) => id === one[i]).length;
  assert.ok(same >= 0.999 * one.length, `${same} of ${one.length} labels agree with float64`);
});

test('compile, train: steps on one image lower its loss', async () => {
  const network = vnet({ classes: 34 });
  const executor = await compile(network, { mode: 'train', batch: 1, ...size, threads: 1, policy: 'save' });
  try {
    const { image, labels } = renderScene(5, 1, size.height, size.width);
    executor.write('images', image.data);
    executor.write('labels', labels.data);
    const losses: number[] = [];
    for (let t = 1; t <= 8; t++) {
      executor.write('hyper', hyperOf({ kind: 'adam' }, 5e-3, t));
      await executor.run('forward', 'backward', 'update');
      losses.push((await executor.read('loss'))[0]);
    }
    assert.ok(losses[7] < 0.7 * losses[0], losses.join(', '));
  } finally {
    await executor.dispose();
  }
});

test('train, loadModel, evaluate, predict', async () => {
  await writeSynthetic({ out: data, count: 6, ...size, seed: 2, valFraction: 0.34 });
  const seen: TrainEvent['type'][] = [];
  const result = await train({
    data,
    out: path.join(folder, 'run'),
    epochs: 2,
    batch: 2,
    learningRate: 2e-3,
    threads: 1,
    network: { name: 'vnet', config: { alpha: 0, beta: 1 } },
    onEvent: ({ type }) => seen.push(type),
  });
  assert.deepEqual([result.interrupted, result.epoch, result.step], [false, 2, 4]);
  assert.equal(seen.filter((type) => type === 'step').length, 4);
  assert.equal(seen.filter((type) => type === 'validation').length, 2);

  const model = await loadModel(result.best ?? result.last);
  assert.equal(model.network.classes, 19);
  assert.equal(model.info.network.config.beta, 1);
  const dataset = await openDataset(data);
  const predictor = new Predictor(model.network, model.weights, { backend: wasmBackend, threads: 1 });
  let first: Uint8Array | undefined;
  const { scores } = await evaluate(predictor, dataset, {
    onImage: ({ prediction }) => {
      first ??= prediction.data;
    },
  }).finally(() => predictor.dispose());
  assert.equal(scores.miou, result.bestMiou, 'the score that training saw');

  const file = dataset.samples('val')[0].image;
  const fromPaths = await predict(result.best ?? result.last, file, { threads: 1 });
  assert.deepEqual([fromPaths.height, fromPaths.width], [size.height, size.width]);
  assert.deepEqual(fromPaths.data, first);
  const odd = { height: 41, width: 67, data: new Uint8Array(41 * 67 * 3).map((_, i) => i % 255) };
  const { height, width, data: labels } = await predict(model, odd, { flip: true, device: 'wasm' });
  assert.deepEqual([height, width, labels.length], [41, 67, 41 * 67]);
});

test('trained weights go back into an executor; initial ones depend only on the seed', async () => {
  const options = { mode: 'infer', batch: 1, ...size, threads: 1 } as const;
  const a = await compile(vnet({ classes: 3 }), { ...options, seed: 9 });
  const b = await compile(vnet({ classes: 3 }), { ...options, weights: initialWeights(a.plan, 9) });
  try {
    assert.deepEqual(await a.read('head.weight'), await b.read('head.weight'));
    assert.ok(a.allocatedBytes >= a.plan.arenaBytes);
  } finally {
    await Promise.all([a.dispose(), b.dispose()]);
  }
});

/** A message of one line that matches. */
const userError = (pattern: RegExp) => (error: unknown) =>
  error instanceof UserError && pattern.test(error.message) && !error.message.includes('\n');

test('mistakes are UserErrors of one line', async () => {
  const out = path.join(folder, 'x');
  await assert.rejects(train({ data: path.join(folder, 'no'), out }), userError(/no: no such data set/));
  await assert.rejects(train({ data, out, epochs: 0 }), userError(/"epochs"/));
  await assert.rejects(loadModel(path.join(folder, 'no.safetensors')), userError(/no\.safetensors/));
  const small = { mode: 'infer', batch: 1, height: 31, width: 64 } as const;
  await assert.rejects(compile(vnet({ classes: 3 }), small), userError(/31x64.*at least 32x32/));
  await assert.rejects(openDevice('wasm', 'some'), userError(/`gpu: 'some'`.*`device: 'wasm'`/));
});

test('devices: auto never takes a software adapter', async (t) => {
  const gpus = await listGpus();
  for (const { name, features, limits } of gpus) {
    assert.ok(name && Array.isArray(features) && limits.maxBufferSize >= 2 ** 28, name);
  }
  const real = gpus.some(({ isSoftware }) => !isSoftware);
  const chosen = await openDevice('auto');
  assert.equal(chosen.name, real ? 'webgpu' : 'wasm');
  if (real) return t.diagnostic('a real GPU: its absence is not tested');
  await assert.rejects(openDevice('webgpu'), userError(/`device: 'webgpu'`.*GPU.*`device: 'wasm'`/));
  await assert.rejects(openDevice('auto', 'no such'), userError(/`gpu: 'no such'`: no such GPU/));
});
