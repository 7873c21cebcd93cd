import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Augmentation, checkAugmentation, type Pair } from '../../src/data/augment/augmentation.js';
import { recolourInPlace } from '../../src/data/augment/colour.js';
import { prepare, sampleRng } from '../../src/data/augment/prepare.js';
import { flipPair, resizeLabels, resizePair } from '../../src/data/augment/resample.js';
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

test('a change of colour follows its formula', () => {
  const rng = Rng.of(5);
  const data = Uint8Array.from({ length: 300 }, () => rng.int(256));
  const before = Uint8Array.from(data);
  const gains = [0.9, 1, 1.15] as const;
  const [brightness, contrast, saturation, gamma] = [1.2, 0.7, 1.3, 1.4];
  recolourInPlace({ width: 10, height: 10, data }, { brightness, contrast, saturation, gamma, gains });
  const grey = ([r, g, b]: number[]) => 0.299 * r + 0.587 * g + 0.114 * b;
  const lit = (p: number) => gains.map((gain, k) => brightness * gain * 255 * (before[p + k] / 255) ** gamma);
  let mean = 0;
  for (let p = 0; p < 300; p += 3) mean += grey(lit(p)) / 100;
  const clamp = (v: number) => Math.min(255, Math.max(0, v));
  for (let p = 0; p < 300; p += 3) {
    const rgb = lit(p).map((value) => clamp(mean + contrast * (value - mean)));
    for (let k = 0; k < 3; k++) {
      const expected = clamp(grey(rgb) + saturation * (rgb[k] - grey(rgb)));
      assert.ok(
        Math.abs(data[p + k] - expected) <= 2,
        `pixel ${p / 3}: ${data[p + k]}, expected ${expected}`,
      );
    }
  }
});

test('gamma and balance draw within their amounts, and leave the other draws alone', () => {
  const grey: Pair = {
    image: { width: 1, height: 1, data: Uint8Array.of(100, 100, 100) },
    labels: { width: 1, height: 1, data: Uint8Array.of(0) },
  };
  const seen = (augment: Augmentation) =>
    Array.from({ length: 400 }, (_, i) => prepare(grey, 'full', augment, sampleRng(1, 0, i)).image.data);
  const greens = seen({ gamma: 1 }).map((rgb) => rgb[1]);
  const [dark, bright] = [2, 0.5].map((power) => 255 * (100 / 255) ** power);
  assert.ok(Math.min(...greens) >= dark - 1 && Math.min(...greens) < dark + 3, `${Math.min(...greens)}`);
  assert.ok(Math.max(...greens) <= bright + 1 && Math.max(...greens) > bright - 3, `${Math.max(...greens)}`);
  for (const [r, g, b] of seen({ balance: 0.2 })) {
    assert.equal(g, 100);
    assert.ok(r >= 79 && r <= 121 && b >= 79 && b <= 121);
  }
  const flips = (augment: Augmentation) =>
    Array.from(
      { length: 50 },
      (_, i) => prepare(coded(6, 8), 'full', augment, sampleRng(1, 0, i)).labels.data,
    );
  assert.deepEqual(flips({ gamma: 1, balance: 0.2 }), flips({}));
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
  await rejects(() => checkAugmentation({ gamma: -1 }), 'augment.gamma', '-1');
  await rejects(() => checkAugmentation({ balance: 2 }), 'augment.balance', '2');
});

test('labels alone are resized as beside an image', (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  t.diagnostic(`SEED=${seed}`);
  const rng = Rng.of(seed);
  const side = () => 8 + rng.int(120);
  for (let i = 0; i < 100; i++) {
    const pair = coded(side(), side());
    const [height, width] = i % 10 === 0 ? [pair.labels.height, side()] : [side(), side()];
    assert.deepEqual(resizeLabels(pair.labels, height, width), resizePair(pair, height, width).labels);
  }
});
