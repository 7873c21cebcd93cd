import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Augmentation,
  augmentationPresets,
  checkAugmentation,
  type Pair,
} from '../../src/data/augment/augmentation.js';
import { blurInPlace } from '../../src/data/augment/blur.js';
import { degradeInPlace } from '../../src/data/augment/degrade.js';
import { drawMix, type MixKind, mixInPlace } from '../../src/data/augment/mix.js';
import { noiseInPlace } from '../../src/data/augment/noise.js';
import { prepare, sampleRng } from '../../src/data/augment/prepare.js';
import { rarePixel } from '../../src/data/augment/rareCrop.js';
import { resample } from '../../src/data/augment/resample.js';
import { drawProjection, projectionTo, warp } from '../../src/data/augment/warp.js';
import { SampleCache } from '../../src/data/cache.js';
import { openDataset } from '../../src/data/datasets.js';
import { Loader, type LoaderOptions } from '../../src/data/loader.js';
import { Rng } from '../../src/data/rng.js';
import { writeSynthetic } from '../../src/data/synth.js';
import { rejects, temporary } from './helpers.js';

const seed = Number(process.env.SEED ?? Date.now() % 1e6);
console.log(`SEED=${seed}`);

/** Blocks of 8 pixels with a label each; green and blue tell where a pixel was, red is ten times its label. */
function coded(height: number, width: number): Pair {
  const labels = new Uint8Array(height * width);
  const data = new Uint8Array(3 * height * width);
  for (let p = 0; p < labels.length; p++) {
    const [y, x] = [Math.floor(p / width), p % width];
    labels[p] = ((x >> 3) * 5 + (y >> 3) * 3) % 19;
    data.set([labels[p] * 10, x, y], 3 * p);
  }
  return { image: { width, height, data }, labels: { width, height, data: labels } };
}

const view = { scaleY: 1, scaleX: 1, offsetY: 0, offsetX: 0, flip: false };

test('a projection takes the corners of the view where it should, and lines to lines', () => {
  const rng = Rng.of(seed, 1);
  for (let n = 0; n < 50; n++) {
    const [height, width] = [32 + rng.int(90), 32 + rng.int(90)];
    const corners = [
      [0, 0],
      [width, 0],
      [width, height],
      [0, height],
    ].map(([x, y]) => [x + rng.range(-9, 9), y + rng.range(-9, 9)] as const);
    const m = projectionTo(corners, height, width);
    const at = (x: number, y: number) => {
      const w = m[6] * x + m[7] * y + 1;
      return [(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w];
    };
    const close = (got: number[], wanted: readonly number[]) =>
      got.forEach((value, k) => {
        assert.ok(Math.abs(value - wanted[k]) < 1e-8, `${got} is not ${wanted}`);
      });
    close(at(0, 0), corners[0]);
    close(at(width, 0), corners[1]);
    close(at(width, height), corners[2]);
    close(at(0, height), corners[3]);
    const [p, q, r] = [at(3, 5), at(13, 25), at(23, 45)];
    const area = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1]);
    assert.ok(Math.abs(area) < 1e-6, 'three points of a line stay on one');
  }
});

test('the projection that changes nothing is the plain view: any scale, offset and mirror', () => {
  const pair = coded(64, 80);
  for (const [scale, offset, flip] of [
    [1, 3, false],
    [1, 0, true],
    [1.5, 7, true],
    [0.8, -4, false],
  ] as const) {
    const some = {
      ...view,
      ...{ height: 40, width: 48, scaleY: scale, scaleX: scale, offsetY: offset, offsetX: offset, flip },
    };
    const plain = resample(pair, some);
    const seen = warp(pair, some, [1, 0, 0, 0, 1, 0, 0, 0]);
    assert.deepEqual(seen.labels.data, plain.labels.data);
    const off = seen.image.data.reduce((most, v, i) => Math.max(most, Math.abs(v - plain.image.data[i])), 0);
    assert.ok(off <= 1, `${off} grey levels`);
  }
});

test('turned and tilted: every pixel has the label of where its colour comes from', () => {
  const pair = coded(96, 128);
  const rng = Rng.of(seed, 2);
  let checked = 0;
  for (let n = 0; n < 30; n++) {
    const m = drawProjection({ rotate: 30, perspective: 0.1 }, pair.image, rng);
    const out = warp(pair, { ...view, height: 96, width: 128, flip: n % 2 === 1 }, m!);
    out.labels.data.forEach((label, p) => {
      const [, x, y] = out.image.data.subarray(3 * p, 3 * p + 3);
      // Near the edges of blocks, rounding decides; at the image's, it is padded.
      if (label === 255 || [x, y].some((v) => v % 8 === 0 || v % 8 === 7)) return;
      checked++;
      assert.equal(label, pair.labels.data[y * 128 + x]);
    });
  }
  assert.ok(checked > 10_000, `${checked}`);
});

test('crops around classes drawn evenly find the one sign of a large road', () => {
  const [height, width] = [100, 200];
  const pair = coded(height, width);
  pair.labels.data.fill(3);
  pair.labels.data[77 * width + 31] = 7;
  const share = (rareCrops: number) => {
    let found = 0;
    for (let i = 0; i < 200; i++) {
      const out = prepare(pair, { crop: [32, 32] }, { rareCrops }, sampleRng(seed, 0, i));
      if (out.labels.data.includes(7)) found++;
    }
    return found / 200;
  };
  const [plain, rare] = [share(0), share(1)];
  assert.ok(plain < 0.25 && rare > 0.45, `${plain}, ${rare}`);
  const none = { width, height, data: new Uint8Array(height * width).fill(255) };
  assert.equal(rarePixel(none, Rng.of(1)), undefined);
});

test('mixing lays colour and label together, and what each kind should', () => {
  const rng = Rng.of(seed, 3);
  for (const kind of ['classMix', 'cutMix', 'copyPaste'] satisfies MixKind[]) {
    let laid = 0;
    for (let n = 0; n < 20; n++) {
      const [under, over] = [coded(64, 96), coded(64, 96)];
      // Of the second: a large class, a small one, and green that tells them apart.
      over.labels.data.forEach((_, p) => {
        over.labels.data[p] = p % 97 === 0 ? 18 : 17;
        over.image.data.set([10 * over.labels.data[p], 200, 0], 3 * p);
      });
      laid += mixInPlace(under, over, kind, rng);
      const from = { over: new Set<number>(), rows: new Set<number>(), count: 0 };
      under.labels.data.forEach((label, p) => {
        assert.equal(under.image.data[3 * p], 10 * label);
        if (under.image.data[3 * p + 1] !== 200) return;
        from.over.add(label);
        from.count++;
      });
      if (kind === 'classMix') assert.equal(from.over.size, 1, 'half of two classes');
      if (kind === 'copyPaste') assert.ok(!from.over.has(17), 'the large class stays');
      if (kind === 'cutMix') assert.ok(from.count > 0.09 * 64 * 96 && from.count < 0.51 * 64 * 96);
    }
    assert.ok(laid > 0, kind);
  }
});

test('which samples are mixed depends on seed, epoch and index, as often as asked', () => {
  const kinds = new Map<string, number>();
  for (let index = 0; index < 2000; index++) {
    const at = { seed, epoch: 1, index };
    const mix = drawMix({ classMix: 0.2, cutMix: 0.3, copyPaste: 0.1 }, at, 50);
    assert.deepEqual(mix, drawMix({ classMix: 0.2, cutMix: 0.3, copyPaste: 0.1 }, at, 50));
    assert.ok(!mix || (mix.partner >= 0 && mix.partner < 50));
    kinds.set(mix?.kind ?? 'none', (kinds.get(mix?.kind ?? 'none') ?? 0) + 1);
  }
  for (const [kind, share] of [
    ['classMix', 0.2],
    ['cutMix', 0.3],
    ['copyPaste', 0.1],
    ['none', 0.4],
  ] as const) {
    assert.ok(Math.abs(kinds.get(kind)! / 2000 - share) < 0.06, `${kind}: ${kinds.get(kind)}`);
  }
});

test('blur keeps sums and spreads a point by its σ; noise has its deviation', () => {
  const side = 41;
  const image = { width: side, height: side, data: new Uint8Array(3 * side * side) };
  image.data.fill(250, 3 * (20 * side + 20), 3 * (20 * side + 20) + 3);
  const flat = { ...image, data: new Uint8Array(image.data.length).fill(77) };
  blurInPlace(flat, 2.5);
  assert.ok(flat.data.every((v) => v === 77));
  for (const sigma of [0.6, 1]) {
    const point = { ...image, data: Uint8Array.from(image.data) };
    blurInPlace(point, sigma);
    // The discrete kernel, not its integral: e^(−d²/2σ²) over its sum in both directions.
    const tap = (d: number) => Math.exp((-d * d) / (2 * sigma * sigma));
    let sum = 0;
    for (let d = -9; d <= 9; d++) sum += tap(d);
    for (const [dx, dy] of [
      [0, 0],
      [1, 0],
      [-1, 1],
      [0, 2],
    ]) {
      const got = point.data[3 * ((20 + dy) * side + 20 + dx) + 1];
      const wanted = (250 * tap(dx) * tap(dy)) / sum ** 2;
      assert.ok(Math.abs(got - wanted) <= 1.5, `σ ${sigma}, ${dx} ${dy}: ${got}, expected ${wanted}`);
    }
  }
  const grey = { width: 100, height: 100, data: new Uint8Array(30_000).fill(128) };
  noiseInPlace(grey, 12, Rng.of(seed, 4));
  const mean = grey.data.reduce((a, b) => a + b, 0) / grey.data.length;
  const deviation = Math.sqrt(grey.data.reduce((a, b) => a + (b - mean) ** 2, 0) / grey.data.length);
  assert.ok(Math.abs(mean - 128) < 0.8 && Math.abs(deviation - 12) < 0.4, `${mean} ± ${deviation}`);
});

test('each degradation changes the picture, and switching one off leaves the others as they were', async () => {
  const made = async (augment: Augmentation, index: number) => {
    const { image } = coded(64, 96);
    await degradeInPlace(image, augment, sampleRng(seed, 0, index));
    return image.data;
  };
  const before = coded(64, 96).image.data;
  for (const augment of [{ shadow: 1 }, { weather: 1 }, { blur: 3 }, { noise: 30 }, { jpeg: 1 }]) {
    const changed = await Promise.all(Array.from({ length: 12 }, (_, i) => made(augment, i)));
    const some = changed.filter((data) => data.some((v, p) => v !== before[p])).length;
    assert.ok(some >= ('blur' in augment || 'noise' in augment ? 1 : 11), `${Object.keys(augment)}: ${some}`);
    assert.deepEqual(await made(augment, 3), changed[3]);
  }
  assert.deepEqual(await made({}, 0), before);
  // Nothing was drawn for what comes before: the same rain, with and without noise after it at σ 0.
  assert.deepEqual(await made({ weather: 1, shadow: 0 }, 5), await made({ weather: 1 }, 5));
});

test('everything at once: the same batches with any number of workers and any cache, and from any step', async () => {
  const root = temporary();
  await writeSynthetic({ out: root, count: 8, height: 64, width: 96, seed: 4, valFraction: 0 });
  const dataset = await openDataset(root);
  const options: LoaderOptions = {
    ...{ batch: 2, seed, shuffle: true, size: { crop: [48, 64] } },
    augment: {
      ...augmentationPresets.strong,
      classMix: 0.4,
      cutMix: 0.2,
      copyPaste: 0.4,
      weather: 0.5,
    } as Augmentation,
  };
  const read = async (more: LoaderOptions, epoch: number, from = 0) => {
    const loader = new Loader(dataset, 'train', { ...options, ...more });
    const batches = [];
    for await (const batch of loader.batches(epoch, from)) batches.push(batch);
    await loader.close();
    return batches;
  };
  const plain = await read({ workers: 0 }, 1);
  assert.equal(plain.length, 4);
  assert.deepEqual(await read({ workers: 2 }, 1), plain);
  assert.deepEqual(await read({ workers: 1 }, 1, 2), plain.slice(2));
  const cache = new SampleCache(4 * 64 * 96 * 4);
  await read({ workers: 1, cache }, 0);
  assert.equal(cache.bytes, cache.budget);
  assert.deepEqual(await read({ workers: 1, cache }, 1), plain);
  // What is cached is as it was read: a second time the same.
  assert.deepEqual(
    await read({ workers: 0, cache, size: 'full' }, 2),
    await read({ workers: 0, size: 'full' }, 2),
  );
  assert.deepEqual(await read({ workers: 0, cache }, 1), plain);
});

test('presets are in range; amounts and sums that are not are refused', async () => {
  for (const preset of Object.values(augmentationPresets)) checkAugmentation(preset as Augmentation);
  await rejects(() => checkAugmentation({ rotate: 90 }), 'augment.rotate is 90');
  await rejects(() => checkAugmentation({ perspective: 0.5 }), 'augment.perspective is 0.5');
  await rejects(() => checkAugmentation({ jpeg: -0.1 }), 'augment.jpeg is -0.1');
  await rejects(
    () => checkAugmentation({ classMix: 0.5, cutMix: 0.4, copyPaste: 0.2 }),
    'they sum to 1.10, expected at most 1',
  );
});
