import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { compileTraining } from '../../src/compile.js';
import { renderScene } from '../../src/data/synth.js';
import { adaptStatistics } from '../../src/eval/adapt.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel, shippedModel } from '../../src/model/load.js';
import { modelSlots } from '../../src/model/slots.js';
import { rejects } from '../data/helpers.js';

const [height, width] = [64, 96];
/** Negatives: their statistics are far from those of streets. */
const scenes = Array.from({ length: 6 }, (_, i) => {
  const { image } = renderScene(5, i, height, width);
  return { ...image, data: image.data.map((value) => 255 - value) };
});

type LossOf = (weights: ReadonlyMap<string, Float32Array>, label: number, batch: number) => Promise<number>;

/** Mean cross-entropy over all pixels by a forward pass in training, which normalises by the batch itself. */
const trainingLoss: LossOf = async (weights, label, batch) => {
  const { network } = await loadModel(shippedModel);
  const plan = compileTraining(network, {
    batch,
    height,
    width,
    scratchBytes: referenceBackend.scratchBytes,
  });
  const executor = await referenceBackend.prepare(plan);
  for (const name of modelSlots(plan).keys()) executor.write(name, weights.get(name)!);
  const images = new Uint8Array(3 * batch * height * width);
  for (let i = 0; i < batch; i++) images.set(scenes[i].data, i * 3 * height * width);
  executor.write('images', images);
  executor.write('labels', new Uint8Array(batch * height * width).fill(label));
  await executor.run('forward');
  const [loss] = await executor.read('loss');
  await executor.dispose();
  return loss;
};

/** The same by inference: softmax of the coarse logits, raised to the picture's size as the head does. */
const inferenceLoss: LossOf = async (weights, label, batch) => {
  const { network } = await loadModel(shippedModel);
  const predictor = new Predictor(network, weights, { backend: wasmBackend, threads: 1 });
  let sum = 0;
  for (const image of scenes.slice(0, batch)) {
    const { height: h, width: w, classes, data } = await predictor.logits(image);
    const at = (y: number, x: number, c: number) => {
      const axis = (place: number, count: number) => Math.min(Math.max(place, 0), count - 1);
      return data[(axis(y, h) * w + axis(x, w)) * classes + c];
    };
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const v = Math.min(Math.max(((y + 0.5) * h) / height - 0.5, 0), h - 1);
        const u = Math.min(Math.max(((x + 0.5) * w) / width - 0.5, 0), w - 1);
        const [top, left] = [Math.floor(v), Math.floor(u)];
        const [fv, fu] = [v - top, u - left];
        const logits = Array.from({ length: classes }, (_, c) => {
          const upper = (1 - fu) * at(top, left, c) + fu * at(top, left + 1, c);
          const lower = (1 - fu) * at(top + 1, left, c) + fu * at(top + 1, left + 1, c);
          return (1 - fv) * upper + fv * lower;
        });
        const most = Math.max(...logits);
        const total = logits.reduce((all, logit) => all + Math.exp(logit - most), 0);
        sum += most + Math.log(total) - logits[label];
      }
    }
  }
  await predictor.dispose();
  return sum / (batch * height * width);
};

test('with statistics of one batch, inference says what training said of it', async () => {
  const { network, weights } = await loadModel(shippedModel);
  const [batch, label] = [2, 3];
  const options = { backend: wasmBackend, threads: 1, size: [height, width], batch } as const;
  const adapted = await adaptStatistics(network, weights, scenes.slice(0, batch), options);
  const trained = await trainingLoss(weights, label, batch);
  const own = await inferenceLoss(adapted, label, batch);
  const unadapted = await inferenceLoss(weights, label, batch);
  assert.ok(Math.abs(own - trained) < 0.02 * trained, `${own}, in training ${trained}`);
  assert.ok(Math.abs(unadapted - trained) > 0.05 * trained, `${unadapted} would pass too`);
});

test('weights stay, statistics over batches add up, and kept shares are between', async () => {
  const { network, weights } = await loadModel(shippedModel);
  const options = { backend: wasmBackend, threads: 1, size: [height, width] } as const;
  const inTwo = await adaptStatistics(network, weights, scenes.slice(0, 4), { ...options, batch: 2 });
  const half = await adaptStatistics(network, weights, scenes.slice(0, 4), {
    ...options,
    batch: 2,
    keep: 0.5,
  });
  for (const [name, old] of weights) {
    const now = inTwo.get(name)!;
    if (!/\.(mean|variance)$/.test(name)) assert.deepEqual(now, old);
    else {
      assert.notDeepEqual(now, old);
      half.get(name)!.forEach((value, i) => {
        assert.ok(Math.abs(value - (old[i] + now[i]) / 2) <= 1e-5 * (1 + Math.abs(value)));
      });
    }
    if (name.endsWith('.variance')) assert.ok(now.every((value) => value >= 0));
  }
  // The first normalisation's input does not depend on batches: two of two are one of four, but for n / (n − 1).
  const inOne = await adaptStatistics(network, weights, scenes.slice(0, 4), { ...options, batch: 4 });
  const first = [...weights.keys()].find((name) => name.endsWith('.variance'))!;
  inOne.get(first)!.forEach((value, i) => {
    assert.ok(Math.abs(value - inTwo.get(first)![i]) < 2e-3 * value + 1e-6, `${first}[${i}]`);
  });
  await rejects(() => adaptStatistics(network, weights, scenes.slice(0, 3), options), 'at least 4 pictures');
});
