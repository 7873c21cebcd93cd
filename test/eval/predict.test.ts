import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { compileInference } from '../../src/compile.js';
import type { RgbImage } from '../../src/data/image.js';
import { Rng } from '../../src/data/rng.js';
import { UserError } from '../../src/errors.js';
import { predictLabels, spans } from '../../src/eval/predict.js';
import { Predictor } from '../../src/eval/predictor.js';
import { fuseViews } from '../../src/eval/views.js';
import { smallestPlan } from '../../src/model/slots.js';
import { initialWeights } from '../../src/nets/initialize.js';
import { vnet } from '../../src/nets/vnet.js';
import { compile } from '../../src/run.js';

const network = vnet({ classes: 4, alpha: 1, beta: 0, stem: 4, widths: [8, 12], pyramid: [3] });
const weights = (seed: number) => {
  const made = initialWeights(smallestPlan(network), seed);
  // A head that makes all classes occur.
  for (const [i] of made.get('head.weight')!.entries()) made.get('head.weight')![i] *= 5;
  return made;
};

function randomImage(height: number, width: number, seed: number): RgbImage {
  const rng = Rng.of(seed);
  const data = new Uint8Array(height * width * 3);
  // Smooth, so that resized versions look alike.
  const [a, b, c] = [rng.range(0.05, 0.2), rng.range(0.05, 0.2), rng.range(0, 6)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 3; k++) {
        data[(y * width + x) * 3 + k] = 128 + 120 * Math.sin(a * x + c * k) * Math.cos(b * y - k);
      }
    }
  }
  return { height, width, data };
}

/** Left to right; `depth` bytes a pixel. */
const mirror = <T extends { width: number; data: Uint8Array }>(image: T, depth: number): T => ({
  ...image,
  data: image.data.map((_, i) => {
    const pixel = Math.floor(i / depth);
    const x = pixel % image.width;
    return image.data[(pixel + image.width - 1 - 2 * x) * depth + (i % depth)];
  }),
});

const agreement = (a: Uint8Array, b: Uint8Array) => a.filter((value, i) => value === b[i]).length / a.length;

test('labels from coarse logits on the host are those of the network’s own last kernel', async () => {
  const predictor = new Predictor(network, weights(1), { backend: referenceBackend });
  for (const [height, width] of [
    [32, 32],
    [45, 61],
  ]) {
    const image = randomImage(height, width, height);
    const labels = await predictor.labels(image);
    const view = { top: 0, left: 0, height, width, flipped: false, logits: await predictor.logits(image) };
    assert.ok(new Set(labels.data).size > 1);
    // Float32 logits against float64: only exact ties may differ.
    assert.ok(agreement(fuseViews([view], height, width), labels.data) > 0.999);
  }
});

test('probabilities of views are averaged, mirrored ones put back', () => {
  // Two classes, 1×2 coarse pixels for 1×2 pixels: z = [class 0, class 1] per pixel.
  const logits = (values: number[]) => ({ height: 1, width: 2, classes: 2, data: Float32Array.from(values) });
  const place = { top: 0, left: 0, height: 1, width: 2 };
  const plain = { ...place, flipped: false, logits: logits([0, 2, 0, 2]) };
  // Mirrored: its first pixel is the image's second. It is sure of class 0 there.
  const flipped = { ...place, flipped: true, logits: logits([9, 0, 0, 0.1]) };
  assert.deepEqual([...fuseViews([plain], 1, 2)], [1, 1]);
  // Pixel 1: softmax 0.12 + 1.00 for class 0 against 0.88 + 0.00. Pixel 0: 0.12 + 0.48 against 0.88 + 0.52.
  assert.deepEqual([...fuseViews([plain, flipped], 1, 2)], [1, 0]);
});

test('with flipping, a mirrored image gives the mirrored labels', async () => {
  const predictor = new Predictor(network, weights(2), { backend: referenceBackend });
  const image = randomImage(40, 50, 3);
  const options = { flip: true, scales: [1, 1.5] };
  const labels = await predictLabels(predictor, image, options);
  const other = await predictLabels(predictor, mirror(image, 3), options);
  // Scaled copies of a mirrored image may differ by a grey level.
  assert.ok(agreement(mirror(other, 1).data, labels.data) > 0.97);
  assert.ok(agreement(labels.data, (await predictor.labels(image)).data) > 0.5);
});

test('zoomed images have sides in whole eights; the image itself stays as it is', async () => {
  const sizes: string[] = [];
  const logits = async ({ height, width }: RgbImage) => {
    sizes.push(`${height}×${width}`);
    return { height: 1, width: 1, classes: 2, data: Float32Array.of(0, 1) };
  };
  const labels = () => assert.fail('one view alone');
  await predictLabels({ labels, logits }, randomImage(45, 60, 3), { scales: [0.8, 1, 1.5] });
  // 36 × 48, 67.5 × 90.
  assert.deepEqual(sizes, ['40×48', '45×60', '64×88']);
});

test('windows cover every pixel, overlap, and come together where they belong', async () => {
  assert.deepEqual(spans(100, 200), [[0, 100]]);
  for (const [length, window] of [
    [101, 100],
    [1000, 64],
    [333, 100],
  ]) {
    const cut = spans(length, window);
    assert.equal(cut[0][0], 0);
    assert.equal(cut.at(-1)![1], length);
    for (const [i, [start, end]] of cut.entries()) {
      assert.equal(end - start, window);
      if (i > 0) assert.ok(cut[i - 1][1] - start >= Math.floor(window / 4), `${length} ${window}`);
    }
  }
  // A network that looks at one pixel only: windows, flips and their order must not matter at all.
  const logits = async ({ height, width, data }: RgbImage) => ({
    height,
    width,
    classes: 3,
    data: Float32Array.from(data, (value) => value / 50),
  });
  const labels = async (image: RgbImage) => {
    const view = { top: 0, left: 0, height: image.height, width: image.width, flipped: false };
    const data = fuseViews([{ ...view, logits: await logits(image) }], image.height, image.width);
    return { height: image.height, width: image.width, data };
  };
  const image = randomImage(64, 130, 5);
  for (const window of [
    [32, 32],
    [64, 100],
    [50, 130],
  ] as const) {
    for (const flip of [false, true]) {
      const cut = await predictLabels({ labels, logits }, image, { window, flip });
      assert.deepEqual(cut, await labels(image));
    }
  }
});

test('resized: labels come back at the image’s size', async () => {
  const predictor = new Predictor(network, weights(4), { backend: referenceBackend });
  const image = randomImage(64, 80, 6);
  const { height, width, data } = await predictLabels(predictor, image, { resize: [32, 40] });
  assert.deepEqual([height, width, data.length], [64, 80, 64 * 80]);
});

test('executors are kept by size, the least recently used one goes, new weights reach all of them', async () => {
  const log: string[] = [];
  const backend: Backend = {
    ...referenceBackend,
    async prepare(plan) {
      const name = plan.slots.images.shape.slice(1, 3).join('×');
      log.push(`made ${name}`);
      const executor = await referenceBackend.prepare(plan);
      const dispose = executor.dispose.bind(executor);
      executor.dispose = () => {
        log.push(`freed ${name}`);
        return dispose();
      };
      return executor;
    },
  };
  const predictor = new Predictor(network, weights(1), { backend, sizes: 2 });
  const [a, b, c] = [32, 33, 34].map((side) => randomImage(side, side, side));
  const first = await predictor.labels(a);
  // Overlapping calls run in turn.
  await Promise.all([predictor.labels(b), predictor.labels(a), predictor.labels(c)]);
  assert.deepEqual(log, ['made 32×32', 'made 33×33', 'freed 33×33', 'made 34×34']);
  await predictor.setWeights(weights(9));
  const fresh = new Predictor(network, weights(9), { backend: referenceBackend });
  assert.deepEqual(await predictor.labels(a), await fresh.labels(a));
  assert.notDeepEqual(await predictor.labels(a), first);
  await predictor.dispose();
  assert.deepEqual(log.slice(4).toSorted(), ['freed 32×32', 'freed 34×34']);
});

test('an image that is too small is refused, and the next one works', async () => {
  const predictor = new Predictor(network, weights(1), { backend: referenceBackend });
  await assert.rejects(predictor.labels(randomImage(20, 40, 1)), UserError);
  assert.equal((await predictor.labels(randomImage(32, 40, 1))).data.length, 32 * 40);
  await assert.rejects(predictLabels(predictor, randomImage(32, 32, 1), { scales: [] }), /scales is \[\]/);
});

test('a picture that does not fit the device: how much it needs, and the window that fits', async () => {
  const usable = compileInference(network, {
    batch: 1,
    height: 256,
    width: 512,
    scratchBytes: () => 0,
  }).arenaBytes;
  const backend: Backend = { ...referenceBackend, usableBytes: () => usable };
  const predictor = new Predictor(network, weights(1), { backend });
  const image = { height: 1000, width: 1000, data: new Uint8Array(3e6) };
  await assert.rejects(
    predictLabels(predictor, image),
    (error) =>
      error instanceof UserError &&
      /^1000×1000 pixels need \d+ MiB .* available; `window: \[256, 512\]` fits$/.test(error.message),
  );
  await assert.rejects(
    compile(network, { mode: 'train', batch: 8, height: 128, width: 256, device: backend }),
    /batch 8 needs \d+ MiB of memory but \d+ MiB are available: /,
  );
});
