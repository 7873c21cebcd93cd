import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkAugmentation,
  flipPair,
  jitterInPlace,
  type Pair,
  prepare,
  resizePair,
  sampleRng,
} from '../../src/data/augment.js';
import { Rng } from '../../src/data/rng.js';
import { rejects } from './helpers.js';

/** Labels in blocks of 8 pixels; the image's red is the label × 10, green and blue ramp along x and y. */
function coded(height: number, width: number): Pair {
  const labels = new Uint8Array(height * width);
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const label = ((x >> 3) * 5 + (y >> 3) * 3) % 19;
      const p = y * width + x;
      labels[p] = label;
      data.set([label * 10, x, y], 3 * p);
    }
  }
  return { image: { width, height, data }, labels: { width, height, data: labels } };
}

test('flip twice is the identity, once mirrors', () => {
  const pair = coded(20, 33);
  const once = flipPair(pair);
  assert.equal(once.labels.data[0], pair.labels.data[32]);
  assert.notDeepEqual(once.image.data, pair.image.data);
  assert.deepEqual(flipPair(once), pair);
});

test('flip and crop move labels and image together, exactly', () => {
  const pair = coded(48, 64);
  const seen = new Set<number>();
  for (let i = 0; i < 30; i++) {
    const out = prepare(pair, { crop: [32, 40] }, { flip: true }, sampleRng(1, 2, i));
    assert.deepEqual([out.image.height, out.image.width], [32, 40]);
    out.labels.data.forEach((label, p) => {
      assert.equal(out.image.data[3 * p], label * 10);
    });
    // Rows go down by one, columns move by one in either direction.
    const step = out.image.data[3 + 1] - out.image.data[1];
    seen.add(step);
    assert.equal(out.image.data[3 * 40 + 2] - out.image.data[2], 1);
  }
  assert.deepEqual([...seen].sort(), [-1, 1]);
});

test('scaled labels stay on the image: inside blocks both agree', () => {
  const pair = coded(64, 96);
  for (let i = 0; i < 40; i++) {
    const out = prepare(pair, { crop: [48, 48] }, { scale: [0.8, 2] }, sampleRng(3, 0, i));
    const { data } = out.labels;
    let inside = 0;
    for (let y = 2; y < 46; y++) {
      for (let x = 2; x < 46; x++) {
        const p = y * 48 + x;
        const around = [p - 98, p - 94, p + 98, p + 94, p - 2, p + 2, p - 96, p + 96];
        if (data[p] === 255 || around.some((q) => data[q] !== data[p])) continue;
        inside++;
        assert.equal(out.image.data[3 * p], data[p] * 10);
      }
    }
    assert.ok(inside > 20);
  }
});

test('a crop larger than the image is padded with 255 and the mean colour', () => {
  const pair = coded(32, 32);
  const out = prepare(pair, { crop: [40, 50] }, { flip: false, mean: [9, 8, 7] }, sampleRng(0, 0, 0));
  let padded = 0;
  out.labels.data.forEach((label, p) => {
    if (label !== 255) return;
    padded++;
    assert.deepEqual([...out.image.data.slice(3 * p, 3 * p + 3)], [9, 8, 7]);
  });
  assert.equal(padded, 40 * 50 - 32 * 32);
});

test('a crop without augmentation is the middle', () => {
  const out = prepare(coded(40, 60), { crop: [32, 32] }, undefined, sampleRng(0, 0, 0));
  assert.deepEqual([...out.image.data.slice(1, 3)], [14, 4]);
});

test('resize: constant stays constant, halving averages, size is exact', () => {
  const pair = coded(64, 64);
  const half = resizePair(pair, 32, 32);
  // Green is x: the mean of 2k and 2k + 1, rounded up.
  assert.deepEqual([half.image.data[1], half.image.data[4], half.image.data[7]], [1, 3, 5]);
  assert.equal(half.labels.data[0], pair.labels.data[65]);
  const flat: Pair = {
    image: { ...pair.image, data: new Uint8Array(64 * 64 * 3).fill(201) },
    labels: pair.labels,
  };
  for (const [h, w] of [
    [33, 50],
    [100, 91],
    [64, 20],
  ]) {
    const out = resizePair(flat, h, w);
    assert.deepEqual(out.image.data, new Uint8Array(h * w * 3).fill(201));
    assert.ok(out.labels.data.every((label) => label < 19));
  }
});

test('jitter follows its formula', () => {
  const rng = Rng.of(5);
  const data = Uint8Array.from({ length: 300 }, () => rng.int(256));
  const before = Uint8Array.from(data);
  const [b, c, s] = [1.2, 0.7, 1.3];
  jitterInPlace({ width: 10, height: 10, data }, b, c, s);
  const grey = (p: number) => 0.299 * before[p] + 0.587 * before[p + 1] + 0.114 * before[p + 2];
  let mean = 0;
  for (let p = 0; p < 300; p += 3) mean += (grey(p) * b) / 100;
  const clamp = (v: number) => Math.min(255, Math.max(0, v));
  for (let p = 0; p < 300; p += 3) {
    const rgb = [0, 1, 2].map((k) => clamp(mean + c * (b * before[p + k] - mean)));
    const g = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    for (let k = 0; k < 3; k++) assert.ok(Math.abs(data[p + k] - clamp(g + s * (rgb[k] - g))) <= 2);
  }
});

test('inputs are never changed and results depend only on seed, epoch and index', () => {
  const pair = coded(40, 40);
  const copy = structuredClone(pair);
  const go = (seed: number, epoch: number, index: number) =>
    prepare(pair, 'full', { scale: [0.7, 1.6], jitter: 0.4 }, sampleRng(seed, epoch, index)).image.data;
  assert.deepEqual(go(1, 2, 3), go(1, 2, 3));
  for (const other of [go(2, 2, 3), go(1, 3, 3), go(1, 2, 4)]) assert.notDeepEqual(other, go(1, 2, 3));
  assert.deepEqual(pair, copy);
  prepare(pair, 'full', { flip: false, jitter: 0.4 }, sampleRng(1, 1, 1));
  assert.deepEqual(pair, copy);
});

test('amounts out of range are refused', async () => {
  await rejects(() => checkAugmentation({ scale: [2, 1] }), 'augment.scale');
  await rejects(() => checkAugmentation({ jitter: 1.5 }), 'augment.jitter', '1.5');
});
