import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { openDataset } from '../../src/data/datasets.js';
import { readImage } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { evaluate } from '../../src/eval/evaluate.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel, shippedModel, shippedModels } from '../../src/model/load.js';
import { predict } from '../../src/predict.js';
import { drawScenes, temporaryFolder, vnetHere } from '../cli/vnet.js';
import { testData } from '../interop/data.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);

const card = readFileSync(path.join(path.dirname(shippedModel), 'README.md'), 'utf8');

test('the shipped models are small, and their card says what they are', async () => {
  const most = { camvid: [400_000, 165_000], 'camvid-tiny': [100_000, 40_000] };
  assert.deepEqual([...shippedModels.keys()], Object.keys(most));
  for (const [name, [bytes, count]] of Object.entries(most)) {
    const { info, weights } = await loadModel(name);
    assert.ok(statSync(shippedModels.get(name)!).size < bytes);
    assert.equal(info.network.name, 'vnet');
    assert.equal(info.classes.names.length, 11);
    const parameters = [...weights]
      .filter(([weight]) => !/\.(mean|variance)$/.test(weight))
      .reduce((sum, [, { length }]) => sum + length, 0);
    assert.ok(parameters <= count, `${parameters} parameters`);
    assert.ok(card.includes(`${parameters.toLocaleString('en').replaceAll(',', ' ')} parameters`));
  }
});

const camvid = testData('camvid');
const skip = camvid ? false : 'no CamVid (VNET_TEST_DATA)';

test('validation mIoU is that of the card, at the size that a model is meant for and at the size of the images', {
  skip,
}, async () => {
  const { network, weights, info } = await loadModel(shippedModel);
  const predictor = new Predictor(network, weights, { backend: wasmBackend });
  const dataset = await openDataset(camvid!);
  const enlarged = await evaluate(predictor, dataset, { split: 'val', resize: info.trained.image });
  const own = await evaluate(predictor, dataset, { split: 'val' });
  await predictor.dispose();
  const small = await loadModel('camvid-tiny');
  const fast = new Predictor(small.network, small.weights, { backend: wasmBackend });
  const tiny = await evaluate(fast, dataset, { split: 'val' });
  await fast.dispose();
  const check = (miou: number | undefined, pattern: RegExp) => {
    const told = Number(pattern.exec(card)?.[1]);
    assert.ok(Math.abs(100 * miou! - told) < 0.06, `${100 * miou!} %, the card says ${told}`);
  };
  check(enlarged.scores.miou, /\*\*([\d.]+) % validation mIoU\*\* at 720×960/);
  check(own.scores.miou, /([\d.]+) % at 360×480/);
  check(tiny.scores.miou, /vnet-camvid-tiny\n\n\*\*([\d.]+) % validation mIoU\*\* at 360×480/);
  assert.ok(Math.abs(enlarged.scores.miou! - info.trained.miou!) < 6e-4);
});

test('its labels on wasm are those of float64 on real images, and nearly so with 16-bit products', {
  skip,
}, async () => {
  const { network, weights } = await loadModel(shippedModel);
  const samples = (await openDataset(camvid!)).samples('val');
  const exact = new Predictor(network, weights, { backend: referenceBackend });
  const least = { f32: 0.9999, i16: 0.999 } as const;
  const predictors = (['f32', 'i16'] as const).map(
    (precision) => [precision, new Predictor(network, weights, { backend: wasmBackend, precision })] as const,
  );
  const equal = { f32: 0, i16: 0 };
  let all = 0;
  for (const { image } of [samples[0], samples[samples.length - 1]]) {
    const photo = await readImage(image);
    const { data } = await exact.labels(photo);
    all += data.length;
    for (const [precision, predictor] of predictors) {
      const labels = (await predictor.labels(photo)).data;
      equal[precision] += labels.filter((label, i) => label === data[i]).length;
    }
  }
  await Promise.all([exact, ...predictors.map(([, predictor]) => predictor)].map((one) => one.dispose()));
  for (const [precision] of predictors) {
    const wrong = all - equal[precision];
    assert.ok(equal[precision] >= least[precision] * all, `${precision}: ${wrong} of ${all} labels differ`);
  }
});

test('predict needs no --model, and training starts from it with other classes', async () => {
  await drawScenes(at('scenes'), '64x96');
  const samples = (await openDataset(at('scenes'))).samples('val');
  const predicted = await vnetHere([
    'predict',
    samples[0].image,
    '--out',
    at('out'),
    '--threads',
    '1',
    '--json',
  ]);
  assert.equal(predicted.code, 0, predicted.stderr);
  const { labels } = JSON.parse(predicted.stdout) as { labels: string };
  const photo = await readImage(samples[0].image);
  const { data, width, height } = await readLabels(labels);
  assert.deepEqual([width, height], [photo.width, photo.height]);
  assert.ok(data.every((id) => id < 11));
  // And so does the library, by the same name.
  assert.deepEqual((await predict('camvid', samples[0].image, { threads: 1 })).data, data);

  const trained = await vnetHere([
    ...['train', '--data', at('scenes'), '--out', at('tuned'), '--init', 'camvid', '--epochs', '1'],
    ...['--batch', '3', '--threads', '1', '--no-report', '--lr', '1e-9'],
  ]);
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(
    trained.stderr,
    /camvid\S*: tells 11 classes apart, not 19: head\.weight, head\.bias start fresh, the rest is kept/,
  );
  const [before, after] = [await loadModel(shippedModel), await loadModel(at('tuned', 'last.safetensors'))];
  const name = 'stage3.v1.F.conv1.weight';
  const [old, tuned] = [before.weights.get(name)!, after.weights.get(name)!];
  assert.ok(old.every((value, i) => Math.abs(value - tuned[i]) < 1e-6));
  assert.equal(after.info.classes.names.length, 19);
  assert.ok(existsSync(at('tuned', 'best.safetensors')));
});
